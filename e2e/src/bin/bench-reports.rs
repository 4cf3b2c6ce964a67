//! `make bench-reports`: how fast weekly reports are made. See [`vigie_e2e::bench_reports`].

use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(match runtime.block_on(vigie_e2e::bench_reports::run(std::env::args().skip(1).collect())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-reports: {error:#}");
            ExitCode::FAILURE
        }
    })
}
