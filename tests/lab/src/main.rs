//! The `foretype-lab` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    foretype_lab::main()
}
