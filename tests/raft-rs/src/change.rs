//! Membership changes drawn at random, valid in a membership.

use crate::disk::Conf;
use crate::draw::Draw;
use crate::member::{Change, Shape, Step};

/// Draws a change of a group with these ids, or the leave of a joint membership. At least two voters
/// remain. `None`: this draw has no change.
pub fn draw_change(draw: &mut Draw, mut ids: Vec<u64>, conf: &Conf, learners: bool) -> Option<Change> {
    let context = if draw.chance(50) { b"why".to_vec() } else { Vec::new() };
    if conf.is_joint() {
        return (!conf.auto_leave).then_some(Change { shape: Shape::Auto, steps: Vec::new(), context });
    }
    let shape = *draw.pick(&[Shape::V1, Shape::Auto, Shape::Implicit, Shape::Explicit]);
    let most = if shape == Shape::V1 { 1 } else { 1 + draw.below(3) };
    let mut steps = Vec::new();
    let mut voters = conf.voters.len();
    for _ in 0..most {
        let id = ids.swap_remove(draw.below(ids.len() as u64) as usize);
        let is_voter = conf.voters.contains(&id);
        let step = match draw.below(3) {
            0 if learners && !conf.learners.contains(&id) && (!is_voter || voters > 2) => Step::Learner(id),
            1 if is_voter && voters > 2 => Step::Remove(id),
            2 if conf.learners.contains(&id) => Step::Remove(id),
            _ if !is_voter => Step::Voter(id),
            _ => continue,
        };
        match step {
            Step::Voter(_) => voters += 1,
            _ if is_voter => voters -= 1,
            _ => {}
        }
        steps.push(step);
    }
    (!steps.is_empty()).then_some(Change { shape, steps, context })
}

impl Change {
    /// True if the node loses the vote.
    pub fn demotes(&self, id: u64) -> bool {
        self.steps.iter().any(|step| *step == Step::Remove(id) || *step == Step::Learner(id))
    }
}
