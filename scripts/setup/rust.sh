# The Rust toolchain that rust-toolchain.toml names. Sourced by setup.sh.
# shellcheck shell=bash

want_rust() {
    local wanted found
    wanted=$(sed -nE 's/^channel *= *"([^"]+)".*/\1/p' "$root/rust-toolchain.toml")
    if command -v rustup >/dev/null; then
        # rustup belongs to a person, not to the machine, so this needs no root.
        if ! rustup toolchain list | grep -qE "^${wanted}(-| |$)"; then
            say "installing Rust $wanted with rustup"
            rustup toolchain install "$wanted" --profile minimal --component rustfmt --component clippy
        fi
        return 0
    fi
    if command -v cargo >/dev/null; then
        found=$(rustc --version | cut -d' ' -f2)
        [[ $(printf '%s\n' "$wanted" "$found" | sort --version-sort | head -1) == "$wanted" ]] && return 0
        echo "setup: Vigie needs Rust $wanted or newer and this is $found; rustup would fetch it" >&2
        exit 1
    fi
    if command -v apt-get >/dev/null && apt_offers rustup; then
        missing=(rustup)
        install_missing
        if is_root; then
            want_rust
        fi
        return 0
    fi
    echo "setup: Rust is missing, and no package rustup is offered here: install rustup as the Rust project's website says" >&2
    exit 1
}
