//! Tests of the plugins in `plugins/examples`.

use std::sync::Arc;

use super::tests::{GENEROUS_LIMITS, MemoryWorkspace};
use super::*;
use crate::finish::tests::request;

fn example(name: &str, files: &'static [(&'static str, &'static str)]) -> Plugin {
    let file = format!("{name}.luau");
    let path = format!("{}/examples/{file}", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(path).expect("an example");
    Plugin::load(&file, &source, &[], Arc::new(MemoryWorkspace(files)), GENEROUS_LIMITS)
        .unwrap_or_else(|fault| panic!("{fault}"))
}

/// Returns paths and texts of the plugin's snippets at a cursor.
fn shows(plugin: &Plugin, path: &str, marked: &str) -> Vec<(String, String)> {
    let found = plugin.context(&request(path, marked));
    assert_eq!(plugin.fault(), None);
    found.into_iter().map(|found| (found.path, found.text)).collect()
}

#[test]
fn a_function_gets_its_test_and_a_test_its_subject() {
    let plugin = example(
        "test-file",
        &[
            ("src/area.py", "import math\n\n\ndef circle(r):\n    return math.pi * r * r\n"),
            (
                "tests/test_area.py",
                "from area import circle\n\n\n# one\n# two\ndef test_circle():\n    assert circle(1) > 3\n",
            ),
            ("tests/test_other.py", "nothing\n"),
            ("web/area.test.ts", "nothing\n"),
        ],
    );
    let shown = shows(&plugin, "src/area.py", "def circle(r):\n    return ▁\n");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].0, "tests/test_area.py");
    assert!(shown[0].1.starts_with("from area import circle\n"), "{shown:?}");
    let shown = shows(&plugin, "tests/test_area.py", "def test_circle():\n    assert ▁\n");
    assert_eq!(shown[0].0, "src/area.py");
    assert!(shown[0].1.contains("def circle(r):") && !shown[0].1.contains("import math"), "{shown:?}");
    assert_eq!(shows(&plugin, "src/lonely.py", "x = ▁"), []);
    assert_eq!(shows(&plugin, "Makefile", "▁"), []);
}

#[test]
fn the_counterpart_of_a_file_is_shown() {
    let plugin = example(
        "pairs",
        &[
            ("src/list.h", "struct list;\n"),
            ("src/list.c", "#include \"list.h\"\n"),
            ("web/a.d.ts", "export function a(): void\n"),
        ],
    );
    assert_eq!(shows(&plugin, "src/list.c", "▁"), [("src/list.h".to_owned(), "struct list;\n".to_owned())]);
    assert_eq!(shows(&plugin, "src/list.h", "▁")[0].0, "src/list.c");
    assert_eq!(shows(&plugin, "web/a.js", "▁")[0].0, "web/a.d.ts");
    assert_eq!(shows(&plugin, "src/tree.c", "▁"), []);
}

#[test]
fn the_trait_of_an_impl_is_shown() {
    let store = "pub trait Store {\n    fn load(&self);\n}\n";
    let plugin = example("traits", &[("src/store.rs", "pub trait Store {\n    fn load(&self);\n}\n")]);
    let mut request = request("src/disk.rs", "impl crate::store::Store for Disk {\n    ▁\n}\n");
    let symbols = crate::symbol_index::SymbolIndex::default();
    symbols.update("src/store.rs", crate::Language::Rust, store);
    request.symbols = Arc::new(symbols);
    let found = plugin.context(&request);
    assert_eq!(plugin.fault(), None);
    assert_eq!(found.iter().map(|found| found.text.as_str()).collect::<Vec<_>>(), [store]);
}

#[test]
fn generated_code_gets_its_proto_file() {
    let plugin = example("proto", &[("api/orders.proto", "message Order {}\n")]);
    for (path, text) in [
        ("gen/orders_grpc.pb.go", "▁"),
        ("src/shop.cc", "#include \"api/orders.grpc.pb.h\"\n▁"),
        ("src/main.rs", "tonic::include_proto!(\"shop.orders\");\n▁"),
        ("shop.js", "const { Order } = require('./orders_pb');\n▁"),
    ] {
        assert_eq!(
            shows(&plugin, path, text).first().map(|shown| shown.0.as_str()),
            Some("api/orders.proto"),
            "{path}"
        );
    }
    assert_eq!(shows(&plugin, "src/orders.go", "▁"), []);
}

#[test]
fn only_licence_headers_and_secrets_are_vetoed() {
    let plugin = example("tidy", &[]);
    let says = |text: &str| plugin.finish(&request("a.py", "x = ▁\n"), text);
    for bad in [
        "# Copyright 2020 Somebody",
        "// SPDX-License-Identifier: MIT",
        "\"aB3dE5gH7jK9mN1pQ3sT5v\"",
        "AKIAABCDEFGHIJKLMNOP",
    ] {
        assert_eq!(says(bad), Verdict::Veto, "{bad}");
    }
    for good in ["compute_the_total_of_all_items(x)", "licence = read()", "0123456789abcdef0123456789", "return 1"] {
        assert_eq!(says(good), Verdict::Keep, "{good}");
    }
    assert_eq!(plugin.fault(), None);
}
