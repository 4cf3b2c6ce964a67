# Each target is one step that can also be run by hand. `make demo ARGS="--patients 20 --seed 7"` hands options on.

.PHONY: demo test conformance fuzz bench bench-reports fmt lint setup

# SQL is checked against the committed descriptions, so that no database is needed to compile.
export SQLX_OFFLINE = true

# A private PostgreSQL, simulated patients, and the dashboard's URL with log-ins; Ctrl-C stops it all.
demo:
	@scripts/setup.sh demo
	@cargo build --locked --package vigie
	@exec "$${CARGO_TARGET_DIR:-target}/debug/vigie" demo $(ARGS)

# Everything that CI checks. The last line is the sum.
test:
	@scripts/setup.sh test
	@scripts/test.sh

# Each statement of MQTT 3.1.1 and 5.0 against the listener; docs/conformance.md says how to run it against another server.
conformance:
	@scripts/conformance.sh $(ARGS)

# A minute of made-up bytes for every parser; `make fuzz ARGS="--seconds 3600 --at-once 6"` for longer. Needs a nightly toolchain.
fuzz:
	@scripts/fuzz.sh $(ARGS)

# The budgets of the design, measured side by side on this machine.
bench:
	@scripts/setup.sh test
	@cargo run --locked --release --package vigie-e2e --bin bench -- $(ARGS)

# Weekly reports a second for a mix of 10,000 patients, killed once on the way.
bench-reports:
	@scripts/setup.sh test
	@cargo run --locked --release --package vigie-e2e --bin bench-reports -- $(ARGS)

fmt:
	@cargo fmt --all

lint:
	@cargo fmt --all --check
	@cargo clippy --locked --workspace --all-targets -- -D warnings

setup:
	@scripts/setup.sh test
