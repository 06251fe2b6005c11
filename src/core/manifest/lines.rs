//! Where each node of a value is written, in the little memory that is left for it
//! where a hundred thousand objects are kept.

use std::sync::Arc;

use serde_json::Value;

use super::positions::{Position, Positions, Segment, index};

/// The lines of all nodes of a value: its [`Positions`] without columns, a byte or two each
/// instead of eight.
///
/// The order of the nodes is mostly that of the lines, so the steps from one to the next are
/// small. They are kept as LEB128, the sign in the lowest bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    steps: Box<[u8]>,
    /// The nodes that are written in another file than the object itself, by their indices.
    other_files: Box<[(u32, Arc<str>)]>,
}

/// Bits of a step in one byte; the highest one says that there is more.
const STEP_BITS: u32 = 7;

impl Lines {
    /// The lines of these positions.
    pub fn of(positions: Positions) -> Self {
        let Positions { positions, other_files } = positions;
        let mut steps = Vec::with_capacity(positions.len());
        let mut previous = 0;
        for Position { line, .. } in &positions {
            push_step(&mut steps, i64::from(*line) - previous);
            previous = i64::from(*line);
        }
        Self { steps: steps.into(), other_files }
    }

    /// The line of the node that `segments` lead to from the root of `value`, as
    /// [`Positions::find`] has it.
    pub fn find(&self, value: &Value, segments: &[Segment<'_>]) -> Option<u32> {
        self.at(index(value, segments)?)
    }

    /// The file of that node, where it is not the object's.
    pub fn file(&self, value: &Value, segments: &[Segment<'_>]) -> Option<&Arc<str>> {
        let index = u32::try_from(index(value, segments)?).ok()?;
        let at = self.other_files.binary_search_by_key(&index, |(index, _)| *index).ok()?;
        Some(&self.other_files[at].1)
    }

    /// How many bytes of memory they take beside those of this value itself.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.steps) + size_of_val(&*self.other_files)
    }

    fn at(&self, index: usize) -> Option<u32> {
        let mut line = 0;
        let mut bytes = self.steps.iter();
        for _ in 0..=index {
            line += next_step(&mut bytes)?;
        }
        u32::try_from(line).ok()
    }
}

fn push_step(steps: &mut Vec<u8>, step: i64) {
    let mut rest = step.unsigned_abs() << 1 | u64::from(step < 0);
    while rest >= 1 << STEP_BITS {
        steps.push(low_byte(rest) | 1 << STEP_BITS);
        rest >>= STEP_BITS;
    }
    steps.push(low_byte(rest));
}

/// The bits of a step that go into its next byte.
fn low_byte(rest: u64) -> u8 {
    rest.to_le_bytes()[0] & ((1 << STEP_BITS) - 1)
}

fn next_step<'b>(bytes: &mut impl Iterator<Item = &'b u8>) -> Option<i64> {
    let (mut step, mut shift) = (0_u64, 0);
    loop {
        let byte = *bytes.next()?;
        step |= u64::from(byte & ((1 << STEP_BITS) - 1)) << shift;
        if byte < 1 << STEP_BITS {
            break;
        }
        shift += STEP_BITS;
    }
    let distance = i64::try_from(step >> 1).ok()?;
    Some(if step & 1 == 1 { -distance } else { distance })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_node_keeps_its_line_and_file(
            nodes in prop::collection::vec((prop_oneof![0..200_u32, any::<u32>()], any::<u32>(), any::<bool>()), 1..50),
        ) {
            let value = Value::Array(vec![Value::Null; nodes.len() - 1]);
            let other: Arc<str> = "other.yaml".into();
            let positions = nodes.iter().map(|(line, column, _)| Position { line: *line, column: *column }).collect();
            let in_other_file = (0_u32..).zip(&nodes).filter(|(_, (_, _, is_other))| *is_other);
            let other_files = in_other_file.map(|(index, _)| (index, other.clone())).collect();
            let positions = Positions::in_several_files(positions, other_files);
            let lines = Lines::of(positions.clone());
            for path in std::iter::once(vec![]).chain((0..nodes.len()).map(|index| vec![Segment::Index(index)])) {
                prop_assert_eq!(lines.find(&value, &path), positions.find(&value, &path).map(|position| position.line));
                prop_assert_eq!(lines.file(&value, &path), positions.file(&value, &path));
            }
        }
    }
}
