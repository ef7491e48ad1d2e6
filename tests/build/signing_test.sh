#!/bin/bash
# Signs the files of a release with a key made for this, and does to them what somebody on the way would.
#
# Owns: what tools/deliver/sign ($1) must refuse.
set -euo pipefail

sign="$PWD/$1"
signers_of_this_tree="$PWD/$2"
cd -- "$(mktemp -d "${TEST_TMPDIR:-/tmp}/signing.XXXXXX")"
bad=0

# fresh makes what is tampered with again: a signed release in the folder `release`.
fresh() {
    rm -rf release
    cp -R signed release
}

# accepts WHAT COMMAND...: the command must succeed. refuses WHAT SAYS COMMAND...: it must fail, and say that.
accepts() {
    local what="$1"
    shift
    if "$@" >said 2>&1; then echo "ok: $what"; else
        echo "WRONG, refused: $what"
        cat said
        bad=1
    fi
}

refuses() {
    local what="$1" says="$2"
    shift 2
    if "$@" >said 2>&1 || ! grep -qF -- "$says" said; then
        echo "WRONG, or by other words: $what"
        cat said
        bad=1
    else echo "ok, refused: $what"; fi
}

ssh-keygen -q -t ed25519 -N '' -C owner -f owner
ssh-keygen -q -t ed25519 -N '' -C stranger -f stranger
printf 'sallyport namespaces="sallyport-release" %s\n' "$(cut -d ' ' -f 1,2 owner.pub)" >signers
mkdir signed
echo program >signed/sallyport_1.2.3_amd64.deb
echo image >signed/sallyport_1.2.3_amd64.oci.tar

refuses "a release without a signature" "is not signed" "$sign" --verify signed signers
accepts "the owner signs" "$sign" signed owner signers
accepts "what the owner signed" "$sign" --verify signed signers
fresh
accepts "the page's commands" sh -euc 'cd release; ssh-keygen -Y verify -f ../signers -I sallyport -n sallyport-release \
    -s SHA256SUMS.sig <SHA256SUMS; sha256sum --check --ignore-missing SHA256SUMS'
echo program. >release/sallyport_1.2.3_amd64.deb
refuses "a file that was changed" "are not those that were signed" "$sign" --verify release signers
(cd release && sha256sum sallyport* >SHA256SUMS)
refuses "a changed file with its new sum" "is of no key in" "$sign" --verify release signers
fresh
rm release/sallyport_1.2.3_amd64.oci.tar
refuses "a file that is missing" "are not those that were signed" "$sign" --verify release signers
fresh
echo more >release/sallyport-connect_1.2.3_amd64.deb
refuses "a file that nobody signed" "is not among what was signed" "$sign" --verify release signers
fresh
rm release/SHA256SUMS.sig
ssh-keygen -q -Y sign -f stranger -n sallyport-release release/SHA256SUMS
refuses "a stranger's signature" "is of no key in" "$sign" --verify release signers
rm release/SHA256SUMS.sig
ssh-keygen -q -Y sign -f owner -n file release/SHA256SUMS
refuses "the owner's signature for another purpose" "is of no key in" "$sign" --verify release signers
fresh
: >nobody
refuses "a list of signers without a key" "names no key yet" "$sign" --verify release nobody
refuses "a signature that nobody could check" "add its public half" "$sign" release stranger signers
refuses "what that left behind" "is not signed" "$sign" --verify release signers
# What is in the tree: keys for no other purpose, each of which OpenSSH can read.
while read -r line; do
    accepts "a signer of this tree" test "${line#sallyport namespaces=\"sallyport-release\"}" != "$line"
    accepts "its key" ssh-keygen -l -f <(printf '%s\n' "$line" | grep -oE '(sk-)?(ssh|ecdsa)-[^ ]+ [^ ]+')
done < <(sed '/^ *\(#\|$\)/d' "$signers_of_this_tree")
exit "$bad"
