# paho-mqtt, an MQTT 5 client that nobody here wrote, in an environment of its own under target/. Sourced by setup.sh.
# shellcheck shell=bash

paho_version=2.1.0
python_env=$root/target/tools/python
python=/usr/bin/python3

# Debian's python3 comes without the module that makes environments.
want_python_venv() {
    paho_is_there && return 0
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
}

paho_is_there() {
    [[ -x $python_env/bin/python ]] &&
        "$python_env/bin/python" -c "import paho.mqtt as m; assert m.__version__ == '$paho_version'" 2>/dev/null
}

want_paho() {
    paho_is_there && return 0
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Named among the missing packages already.
        return 0
    fi
    say "installing paho-mqtt $paho_version into target/tools/python"
    rm -rf "$python_env"
    "$python" -m venv "$python_env"
    "$python_env/bin/python" -m pip install --quiet --disable-pip-version-check "paho-mqtt==$paho_version"
}
