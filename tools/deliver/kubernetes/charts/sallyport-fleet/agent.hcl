# Vault's agent: it logs in as the service account of the pod, asks for a certificate for the pod, and asks again before it ends.
# Key, certificate and CA are one file, which is renamed into its place: the sidecar never sees a part of it.
vault {
  ca_cert = "/vault/ca/ca.crt"
}
auto_auth {
  method "kubernetes" {
    config = {
      role       = "sallyport-fleet"
      token_path = "/vault/token/token"
    }
  }
}
template_config {
  exit_on_retry_failure = false
}
template {
  destination          = "/certificate/tls.pem"
  perms                = "0600"
  error_on_missing_key = true
  contents             = <<EOT
{{ with pkiCert (env "PKI_ISSUE") (printf "common_name=%s" (env "POD_NAME")) (printf "uri_sans=%s%s/%s" (env "IDENTITY") (env "POD_NAMESPACE") (env "POD_NAME")) (printf "ttl=%s" (env "PKI_TTL")) }}{{ .Key }}{{ .Cert }}{{ .CA }}{{ end }}
EOT
}
