//! Which word was probably meant by one that is misspelt.

/// The word that was probably meant: a slip or two away, whatever the case of its letters.
pub(super) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let distances = words.map(|word| (distance(&wanted, &word.to_lowercase()), word));
    let (distance, nearest) = distances.min()?;
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    (distance <= allowed).then_some(nearest)
}

/// How many letters are to be added, removed or changed between two words.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
