//! Removes exact and near duplicates. The first file of each set stays. The others would be memorised, and would make
//! the held-out loss measure memorisation.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use siphasher::sip128::SipHasher13;

use super::exclusion::{ExcludedFile, ExclusionReason};
use super::minhash::{MinHashIndex, MinHashSignature};
use super::progress::{CollectStage, Progress};
use super::source_file::SourceFile;

/// Splits files, in order, into unique ones and duplicates.
pub(super) fn remove(
    files: Vec<SourceFile>,
    progress: &(dyn Fn(Progress) + Sync),
) -> (Vec<SourceFile>, Vec<ExcludedFile>) {
    let hashes: Vec<u128> = files.par_iter().map(|file| text_hash(&file.text)).collect();
    let mut first: HashMap<u128, usize> = HashMap::new();
    let exact = |at: usize| match *first.entry(hashes[at]).or_insert(at) {
        same if same == at => None,
        same => Some(same),
    };
    let (files, mut left_out) = remove_marked(files, ExclusionReason::Duplicate, exact);

    let signatures = signatures(&files, progress);
    let mut index = MinHashIndex::default();
    let near = |at: usize| {
        let alike = index.find_similar(&signatures[at]);
        if alike.is_none() {
            index.insert(at, signatures[at].clone());
        }
        alike
    };
    let (files, nearly) = remove_marked(files, ExclusionReason::NearDuplicate, near);
    left_out.extend(nearly);
    (files, left_out)
}

/// Removes each file for which `other` returns the index of the file that it duplicates.
fn remove_marked(
    files: Vec<SourceFile>,
    reason: ExclusionReason,
    other: impl FnMut(usize) -> Option<usize>,
) -> (Vec<SourceFile>, Vec<ExcludedFile>) {
    let others: Vec<Option<usize>> = (0..files.len()).map(other).collect();
    let name = |at: usize| format!("{}/{}", files[at].repository, files[at].path);
    let named: Vec<Option<String>> = others.into_iter().map(|other| other.map(name)).collect();
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for (file, duplicate_of) in files.into_iter().zip(named) {
        if duplicate_of.is_none() {
            kept.push(file);
        } else {
            left_out.push(ExcludedFile { repository: file.repository, path: file.path, reason, duplicate_of });
        }
    }
    (kept, left_out)
}

/// A hash of the text in which every run of white space counts as one space.
fn text_hash(text: &str) -> u128 {
    let mut plain = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        plain.push_str(word);
        plain.push(' ');
    }
    SipHasher13::new().hash(plain.as_bytes()).as_u128()
}

fn signatures(files: &[SourceFile], progress: &(dyn Fn(Progress) + Sync)) -> Vec<MinHashSignature> {
    let (done, total) = (AtomicUsize::new(0), files.len());
    let signature = |file: &SourceFile| {
        let signature = MinHashSignature::from_text(&file.text);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        progress(Progress { stage: CollectStage::Deduplicating, done, total });
        signature
    };
    files.par_iter().map(signature).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    /// A distinct function for each number.
    fn function(number: usize) -> String {
        format!(
            "def handler_{number}(request):\n    value_{number} = request.field_{number}\n    return value_{number}\n"
        )
    }

    fn functions(numbers: std::ops::Range<usize>) -> String {
        numbers.map(function).collect()
    }

    #[test]
    fn the_first_of_several_duplicates_stays() {
        let text = functions(0..40);
        let spaced = text.replace("    ", "\t").replace('\n', "\r\n");
        let changed = format!("{text}{}", function(99));
        let files =
            vec![file("a.py", &text), file("b.py", &spaced), file("c.py", &changed), file("d.py", &functions(40..80))];
        let (kept, left_out) = remove(files, &|_| ());
        let kept: Vec<_> = kept.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(kept, ["a.py", "d.py"]);
        let left_out: Vec<_> =
            left_out.iter().map(|it| (it.path.as_str(), it.reason, it.duplicate_of.as_deref())).collect();
        assert_eq!(
            left_out,
            [
                ("b.py", ExclusionReason::Duplicate, Some("repository/a.py")),
                ("c.py", ExclusionReason::NearDuplicate, Some("repository/a.py")),
            ]
        );
    }

    #[test]
    fn files_that_share_half_of_their_text_are_no_duplicates() {
        let files = vec![file("a.py", &functions(0..40)), file("b.py", &functions(20..60))];
        assert_eq!(remove(files, &|_| ()).0.len(), 2);
    }
}
