//! Identifies well-known licences by characteristic phrases.

/// An SPDX identifier and the phrases that its text must contain, in lower case and with single spaces.
type KnownLicence = (&'static str, &'static [&'static str]);

const KNOWN_LICENCES: &[KnownLicence] = &[
    ("MIT", &["permission is hereby granted, free of charge, to any person obtaining a copy"]),
    ("Apache-2.0", &["apache license version 2.0"]),
    ("ISC", &["distribute this software for any purpose with or without fee is hereby granted, provided that"]),
    ("0BSD", &["distribute this software for any purpose with or without fee is hereby granted. the software"]),
    ("MPL-2.0", &["mozilla public license version 2.0"]),
    ("Unlicense", &["this is free and unencumbered software released into the public domain"]),
    ("CC0-1.0", &["cc0 1.0 universal"]),
    ("AGPL-3.0", &["gnu affero general public license version 3, 19 november 2007"]),
    ("LGPL-3.0", &["gnu lesser general public license version 3, 29 june 2007"]),
    ("LGPL-2.1", &["gnu lesser general public license version 2.1, february 1999"]),
    ("LGPL-2.0", &["gnu library general public license version 2, june 1991"]),
    ("GPL-3.0", &["gnu general public license version 3, 29 june 2007"]),
    ("GPL-2.0", &["gnu general public license version 2, june 1991"]),
    ("BSD-3-Clause", &[BSD_PHRASE, "endorse or promote products"]),
    ("BSD-2-Clause", &[BSD_PHRASE]),
];

const BSD_PHRASE: &str = "redistribution and use in source and binary forms, with or without modification";

/// Notices that refer to a family of licences. They count only if the text of no licence of the family is present.
const LICENCE_NOTICES: &[KnownLicence] = &[
    ("AGPL", &["under the terms of the gnu affero general public license"]),
    ("LGPL", &["under the terms of the gnu lesser general public license"]),
    ("GPL", &["under the terms of the gnu general public license"]),
];

/// The SPDX identifiers of the licences in a text.
pub(super) fn identify(text: &str) -> Vec<String> {
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let matches = |(_, phrases): &&KnownLicence| phrases.iter().all(|phrase| plain.contains(phrase));
    let mut names: Vec<&str> = KNOWN_LICENCES.iter().filter(matches).map(|(name, _)| *name).collect();
    if names.contains(&"BSD-3-Clause") {
        names.retain(|name| *name != "BSD-2-Clause");
    }
    for (family, _) in LICENCE_NOTICES.iter().filter(matches) {
        if !names.iter().any(|name| name.starts_with(family)) {
            names.push(family);
        }
    }
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_identified_by_their_phrases() {
        let bsd = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted";
        let three = format!("{bsd}\nNeither the name ... may be used to endorse or promote products derived");
        let gpl = "                    GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n ... You can redistribute \
            it under the terms of the GNU General Public License ... GNU Affero General Public License ...";
        let mpl = "Mozilla Public License Version 2.0\n ... means either the GNU General Public License, Version 2.0,";
        let notice = "it under the terms of the GNU Lesser General Public License as published";
        for (text, expected) in [
            ("Permission is hereby granted, free of charge, to any\nperson obtaining a copy", vec!["MIT"]),
            ("          Apache License\n    Version 2.0, January 2004", vec!["Apache-2.0"]),
            (bsd, vec!["BSD-2-Clause"]),
            (&three, vec!["BSD-3-Clause"]),
            (gpl, vec!["GPL-3.0"]),
            (mpl, vec!["MPL-2.0"]),
            (notice, vec!["LGPL"]),
            ("All rights reserved.", vec![]),
        ] {
            assert_eq!(identify(text), expected, "{text}");
        }
    }

    #[test]
    fn a_file_may_contain_several_licences() {
        let both = "Apache License Version 2.0 ... Permission is hereby granted, free of charge, to any person \
            obtaining a copy";
        assert_eq!(identify(both), ["MIT", "Apache-2.0"]);
    }

    #[test]
    fn our_own_licences_are_identified() {
        let file = |name: &str| {
            std::fs::read_to_string(format!("{}/../{name}", env!("CARGO_MANIFEST_DIR")))
                .expect("it is in the repository")
        };
        assert_eq!(identify(&file("LICENSE-MIT")), ["MIT"]);
        assert_eq!(identify(&file("LICENSE-APACHE")), ["Apache-2.0"]);
    }
}
