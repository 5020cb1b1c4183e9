//! Four members of a group in one process count votes, each with a file for a disk.

pub mod disk;
mod member;

use member::Member;
use raftcore::{Change, ChangeEncoding, ChangeKind, Role, peer_flags};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
/// Messages in flight: from, to, bytes.
pub type Network = VecDeque<(u64, u64, Vec<u8>)>;

struct Group {
    folder: PathBuf,
    members: BTreeMap<u64, Member>,
    token: u64,
}

fn main() -> Result<()> {
    std::fs::create_dir("data")?;
    run(Path::new("data"), &mut io::stdout())
}

pub fn run(folder: &Path, out: &mut dyn Write) -> Result<()> {
    let mut group = Group { folder: folder.to_owned(), members: BTreeMap::new(), token: 0 };
    for id in 1..=3 {
        Member::found(id, &group.file(id), &[1, 2, 3])?;
        group.start(id)?;
    }
    let leader = group.leader()?;
    writeln!(out, "member {leader} leads")?;
    for name in ["apple", "pear", "apple"] {
        group.vote(name)?;
    }
    let follower = leader % 3 + 1;
    writeln!(out, "member {follower} reads {} votes for apple", group.read(follower, "apple")?)?;

    group.stop(follower);
    group.vote("apple")?;
    group.start(follower)?;
    writeln!(out, "member {follower} was away, and reads {}", group.read(follower, "apple")?)?;
    (1..=3).for_each(|id| group.stop(id));
    (1..=3).try_for_each(|id| group.start(id))?;
    writeln!(out, "after a restart of the group, member 1 reads {}", group.read(1, "apple")?)?;

    let entries = group.members[&1].disk.log.len();
    group.members.values_mut().try_for_each(Member::compact)?;
    writeln!(out, "the log of member 1 had {entries} entries, and has {}", group.members[&1].disk.log.len())?;

    group.start(4)?; // no file: an empty disk
    group.change(ChangeKind::AddLearner, 4)?;
    group.caught_up(4)?;
    group.change(ChangeKind::AddNode, 4)?;
    let index = group.members[&4].disk.snapshot.last.index;
    writeln!(out, "member 4 joined by a snapshot at {index}, and reads {}", group.read(4, "apple")?)?;

    let old = group.leader()?;
    group.transfer(old, 4)?;
    group.change(ChangeKind::RemoveNode, old)?;
    group.stop(old);
    group.vote("apple")?;
    let members: Vec<String> = group.members.keys().map(u64::to_string).collect();
    writeln!(out, "member 4 leads, member {old} is removed; members {} go on", members.join(", "))?;
    writeln!(out, "apple has {} votes", group.read(4, "apple")?)?;
    Ok(())
}

impl Group {
    fn file(&self, id: u64) -> PathBuf {
        self.folder.join(format!("member-{id}"))
    }

    fn start(&mut self, id: u64) -> Result<()> {
        self.members.insert(id, Member::open(id, &self.file(id))?);
        Ok(())
    }

    /// As a crash: the member says nothing to anybody, and its file stays.
    fn stop(&mut self, id: u64) {
        self.members.remove(&id);
    }

    /// A tick of every clock, and all messages that follow.
    fn turn(&mut self) -> Result<()> {
        let mut network = Network::new();
        for member in self.members.values_mut() {
            member.node.tick(1)?;
            member.work(&mut network)?;
        }
        while let Some((from, to, bytes)) = network.pop_front() {
            let Some(member) = self.members.get_mut(&to) else { continue };
            let _ = member.node.step(from, &bytes); // a refused message changes nothing
            member.work(&mut network)?;
        }
        Ok(())
    }

    fn until<T>(&mut self, mut find: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        for _ in 0..1000 {
            if let Some(found) = find(self) {
                return Ok(found);
            }
            self.turn()?;
        }
        Err("nothing in 1,000 ticks: is there a majority?".into())
    }

    fn leader(&mut self) -> Result<u64> {
        let leads = |member: &&Member| member.node.status().role == Role::Leader;
        self.until(|group| group.members.values().find(leads).map(|member| member.id))
    }

    /// Waits for the outcome of a token at a member.
    fn outcome(&mut self, id: u64, token: u64) -> Result<()> {
        match self.until(|group| group.members[&id].outcomes.get(&token).copied())? {
            true => Ok(()),
            false => Err("failed, or unknown: ask again with the same request number".into()),
        }
    }

    fn vote(&mut self, name: &str) -> Result<()> {
        let leader = self.leader()?;
        self.token += 1;
        self.members.get_mut(&leader).ok_or("gone")?.node.propose(name.as_bytes(), self.token)?;
        self.outcome(leader, self.token)
    }

    /// A linearizable read, at any member.
    fn read(&mut self, id: u64, name: &str) -> Result<u64> {
        self.until(|group| (group.members[&id].node.status().leader != 0).then_some(()))?;
        self.token += 1;
        self.members.get_mut(&id).ok_or("gone")?.node.read_index(self.token)?;
        self.outcome(id, self.token)?;
        Ok(self.members[&id].votes.get(name).copied().unwrap_or(0))
    }

    fn change(&mut self, kind: ChangeKind, id: u64) -> Result<()> {
        let leader = self.leader()?;
        self.token += 1;
        let node = &mut self.members.get_mut(&leader).ok_or("gone")?.node;
        node.propose_conf(&[Change { kind, id }], ChangeEncoding::V1, b"", self.token)?;
        self.outcome(leader, self.token)
    }

    /// A voter that lacks the log would slow the group down: wait before the promotion.
    fn caught_up(&mut self, id: u64) -> Result<()> {
        let leader = self.leader()?;
        self.until(|group| {
            let mut peers = group.members[&leader].node.peers();
            peers.find(|peer| peer.id == id && peer.flags & peer_flags::CAUGHT_UP != 0).map(|_| ())
        })
    }

    fn transfer(&mut self, from: u64, to: u64) -> Result<()> {
        self.members.get_mut(&from).ok_or("gone")?.node.transfer(to)?;
        self.until(|group| (group.members[&to].node.status().role == Role::Leader).then_some(()))
    }
}
