# One line each: a recipe calls cargo or a script, so that whoever has no `just` can do the same.

# What CI runs
check:
    .ci/run

# Formats everything
fmt:
    cargo fmt --all

# All tests
test:
    cargo test --workspace

# Faults and load against the real daemon and its store, at the counts that count (tests/torture/counts.rs)
torture:
    tests/torture/run full

# The same for a release, for hours
torture-long:
    tests/torture/run long

# Fuzzes one subject of tests/src/fuzz, or all, ten minutes each
fuzz *SUBJECT:
    fuzz/run {{SUBJECT}}

# Only the tests of layout, words and generated pages
tidy:
    cargo test -p a2n-tests --test tidy

# Lints, warnings denied
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# The API's pages, warnings denied
docs:
    RUSTDOCFLAGS="-Dwarnings" cargo doc --workspace --no-deps

# Writes the generated pages below docs/ anew
write-docs:
    UPDATE_DOCS=1 cargo test -p a2n-daemon --lib docs

# What a long history costs, beside an empty one; the number is how many executions there are
bench-history N="1000000":
    cargo build --release && cargo bench -p a2n-tests --bench history -- {{N}}

# What A2N promises about speed, each figure beside its limit; names choose parts (idle, ping, executions, logs, scale, waiting, fairness)
bench *PARTS:
    cargo build --release && cargo run --release -p a2n-bench -- {{PARTS}}

# How many log lines a second the segments take
bench-logs:
    cargo test --release -p a2n-segment --test segments -- --ignored --nocapture speed

# The binaries as they are shipped
build:
    cargo build --release

# Installs what `just build` made
install *ARGS:
    systemd/install.sh {{ARGS}}

# A hundred thousand seeds of the engine alone and ten thousand of the whole machine, about a quarter of
# an hour; SIM_SEED=n runs one again
sim-long:
    SIM_SEEDS=100000 cargo test --release -p a2n-daemon --lib -- --nocapture simulation
    SIM_SEEDS=10000 cargo test --release -p a2n-tests --test sim -- --nocapture whatever
