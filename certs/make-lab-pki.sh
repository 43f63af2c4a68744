#!/bin/sh
# Makes a throw-away lab PKI with openssl: two CAs, their CRLs, a node, three servers, a topology that uses them, and a
# Kamailio configuration for a home server that answers every request with 200.
# Usage: make-lab-pki.sh DIRECTORY   (made if it is missing; must be empty, and outside this repository)
set -eu
umask 077

[ $# -eq 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
command -v openssl >/dev/null || { echo "$0: openssl is not installed" >&2; exit 3; }
here=$(cd "$(dirname "$0")/.." && pwd -P)
mkdir -p "$1"
dir=$(cd "$1" && pwd -P)
case "$dir/" in
"$here/"*)
    echo "$0: $dir is inside the repository, where no private key belongs" >&2
    exit 2
    ;;
esac
[ -z "$(ls -A "$dir")" ] || { echo "$0: $dir is not empty" >&2; exit 2; }
cd "$dir"

key() { # key FILE
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
    chmod 600 "$1"
}

ca() { # ca NAME SUBJECT: root certificate and an empty database for CRLs
    mkdir "$1.db"
    : >"$1.db/index.txt"
    echo 01 >"$1.db/crlnumber"
    cat >"$1.db/ca.cnf" <<CNF
[req]
distinguished_name = name
prompt = no
x509_extensions = root
[name]
CN = $2
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = lab
[lab]
database = $dir/$1.db/index.txt
crlnumber = $dir/$1.db/crlnumber
certificate = $dir/$1.pem
private_key = $dir/$1.key.pem
default_md = sha256
default_crl_days = 30
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid
CNF
    key "$1.key.pem"
    openssl req -new -x509 -config "$1.db/ca.cnf" -key "$1.key.pem" -sha256 -days 3650 -out "$1.pem"
    openssl ca -config "$1.db/ca.cnf" -gencrl -out "$1.crl.pem" 2>/dev/null
}

leaf() { # leaf CA STEM NAME...: key and certificate with serverAuth and clientAuth; the first name is the CN
    ca=$1 stem=$2
    shift 2
    cn=$1 names=
    for name in "$@"; do names="$names,DNS:$name"; done
    cat >"$stem.cnf" <<CNF
[req]
distinguished_name = name
prompt = no
[name]
CN = $cn
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = ${names#,}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
    key "$stem.key.pem"
    openssl req -new -config "$stem.cnf" -key "$stem.key.pem" -out "$stem.csr"
    openssl x509 -req -in "$stem.csr" -CA "$ca.pem" -CAkey "$ca.key.pem" -set_serial "0x$(openssl rand -hex 15)" \
        -sha256 -days 90 -extfile "$stem.cnf" -extensions leaf -out "$stem.chain.pem" 2>/dev/null
    rm "$stem.csr" "$stem.cnf"
}

ca enterprise-ca "Contoso Lab Root CA"
ca fabrikam-ca "Fabrikam Lab Root CA"
leaf enterprise-ca edge edge01.contoso.test sip.contoso.test contoso.test
leaf enterprise-ca fe01 fe01.contoso.test
leaf enterprise-ca fe02 fe02.contoso.test
leaf fabrikam-ca edge.fabrikam edge.fabrikam.test
echo "1 $(openssl rand -hex 32)" >tokens

cat >topology.toml <<'TOML'
# A lab on loopback: the node on 5061, home servers on 5071 and 5072, the partner on 5081.
[node]
fqdn = "edge01.contoso.test"
domains = ["contoso.test"]
state = "state"

[[identity]]
name = "edge"
certificate = "edge.chain.pem"
private_key = "edge.key.pem"

[[trust]]
name = "enterprise-ca"
anchors = "enterprise-ca.pem"
crls = ["enterprise-ca.crl.pem"]

[[trust]]
name = "fabrikam-ca"
anchors = "fabrikam-ca.pem"
crls = ["fabrikam-ca.crl.pem"]

[[listener]]
name = "edge"
address = "127.0.0.1:5061"
accept = ["client", "peer"]

[[peer]]
fqdn = "fe01.contoso.test"
kind = "home"
trust = ["enterprise-ca"]
address = ["127.0.0.1:5071"]

[[peer]]
fqdn = "fe02.contoso.test"
kind = "home"
trust = ["enterprise-ca"]
address = ["127.0.0.1:5072"]

[[peer]]
fqdn = "edge.fabrikam.test"
kind = "federated"
domains = ["fabrikam.test"]
trust = ["fabrikam-ca"]
address = ["127.0.0.1:5081"]

[[pool]]
name = "front-end"
domains = ["contoso.test"]
peers = ["fe01.contoso.test", "fe02.contoso.test"]

[tokens]
key_file = "tokens"

[admin]
socket = "control.sock"

[[expect]]
certificate = "fe01.chain.pem"
as = "inbound"
verdict = "accept"

[[expect]]
certificate = "edge.fabrikam.chain.pem"
as = "inbound"
verdict = "accept"
TOML

cat >fe01.kamailio.cfg <<CFG
#!KAMAILIO
# The home server fe01: kamailio -DD -E -f $dir/fe01.kamailio.cfg
children=1
enable_tls=yes
listen=tls:127.0.0.1:5071
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "tls.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "private_key", "$dir/fe01.key.pem")
modparam("tls", "certificate", "$dir/fe01.chain.pem")
modparam("tls", "ca_list", "$dir/enterprise-ca.pem")
modparam("tls", "verify_certificate", 1)
modparam("tls", "require_certificate", 1)
request_route {
    # A phone is registered when the answer has its Contact (RFC 3261 10.3).
    if (is_method("REGISTER") && is_present_hf("Contact")) {
        append_to_reply("Contact: \$hdr(Contact)\r\nExpires: 600\r\n");
    }
    sl_send_reply("200", "OK");
}
CFG

echo "made a lab PKI in $dir"
echo "next: sipward check $dir/topology.toml"
echo "softphones need in /etc/hosts: 127.0.0.1 edge01.contoso.test sip.contoso.test"
