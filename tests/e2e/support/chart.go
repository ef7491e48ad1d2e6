// Renders a chart with Go's own text/template and the functions as Helm has them: CHART NAME NAMESPACE VALUES. The tests' renderer
// has to say the same.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

type values map[string]interface{}

type files struct{ folder string }

func (f files) Get(name string) string { return string(read(f.folder, name)) }

func read(path ...string) []byte {
	data, err := os.ReadFile(filepath.Join(path...))
	check(err)
	return data
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(path ...string) values {
	made := values{}
	check(yaml.Unmarshal(read(path...), &made))
	return made
}

// merge lays values over others: maps merge, everything else is replaced.
func merge(base, changes map[string]interface{}) {
	for key, value := range changes {
		above, isMap := value.(map[string]interface{})
		below, isBoth := base[key].(map[string]interface{})
		if isMap && isBoth {
			merge(below, above)
		} else {
			base[key] = value
		}
	}
}

func toYaml(value interface{}) string {
	data, err := yaml.Marshal(value)
	check(err)
	return strings.TrimSuffix(string(data), "\n")
}

func indent(count int, text string) string {
	pad := strings.Repeat(" ", count)
	return pad + strings.ReplaceAll(text, "\n", "\n"+pad)
}

func main() {
	folder := os.Args[1]
	own := load(folder, "values.yaml")
	merge(own, load(os.Args[4]))
	top := values{
		"Values":  own,
		"Release": values{"Name": os.Args[2], "Namespace": os.Args[3]},
		"Chart":   load(folder, "Chart.yaml"),
		"Files":   files{folder},
	}
	functions := template.FuncMap{
		"toYaml":  toYaml,
		"indent":  indent,
		"nindent": func(count int, text string) string { return "\n" + indent(count, text) },
		"quote":   func(value interface{}) string { return fmt.Sprintf("%q", fmt.Sprint(value)) },
	}
	paths, err := filepath.Glob(filepath.Join(folder, "templates", "*.yaml"))
	check(err)
	for _, path := range paths {
		parsed, err := template.New(path).Option("missingkey=error").Funcs(functions).Parse(string(read(path)))
		check(err)
		fmt.Println("---")
		check(parsed.Execute(os.Stdout, top))
	}
}
