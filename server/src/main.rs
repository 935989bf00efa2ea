//! The `foretype` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    foretype::cli::main()
}
