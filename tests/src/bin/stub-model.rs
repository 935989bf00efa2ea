//! Writes a stub model for the editor suites: `stub-model FOLDER REPLY`, with an empty REPLY for an endless one. The
//! model lies in `FOLDER` itself and has a chat template.

use std::path::Path;

use foretype_tests::stub_model;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, reply] = arguments.as_slice() else {
        eprintln!("usage: stub-model FOLDER REPLY");
        std::process::exit(2);
    };
    let target = Path::new(folder);
    let parent = target.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).expect("a writable folder");
    let temporary = tempfile::tempdir_in(parent).expect("a writable folder");
    let written = stub_model::write_reply_only(temporary.path(), reply);
    std::fs::write(written.join("chat_template.jinja"), stub_model::PLAIN_CHAT_TEMPLATE).expect("writable");
    std::fs::rename(written, target).expect("a folder that is not there yet");
}
