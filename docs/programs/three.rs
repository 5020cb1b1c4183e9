//! Three nodes of a group in one process elect a leader and replicate a word.
use raftcore::{Config, Node, Result, Role, Stored};

/// A message on the way: from, to, bytes.
type Frame = (u64, u64, Vec<u8>);

/// Does all work of a node. Call it after tick, step, propose and the like.
fn work(node: &mut Node, id: u64, network: &mut Vec<Frame>) -> Result<()> {
    while let Some(ready) = node.ready()? {
        let number = ready.number();
        // 1. In earnest: store ready.entries() and ready.hard_state() here, in one transaction.
        for message in ready.messages() {
            let mut bytes = Vec::new();
            message.write_to(&mut bytes);
            network.push((id, message.to(), bytes)); // 2. send
        }
        for entry in ready.committed().filter(|entry| !entry.data.is_empty()) {
            println!("node {id} applies entry {}: {}", entry.index, String::from_utf8_lossy(entry.data)); // 3.
        }
        node.advance(number)?; // 5. (4. is for reads.)
    }
    while node.next_event().is_some() {} // in earnest: log them all
    Ok(())
}

fn main() -> Result<()> {
    let mut nodes = Vec::new();
    for id in 1..=3 {
        let mut node = Node::new(&Config { seed: id, ..Config::new(id) })?; // in earnest: a random seed
        node.boot(&Stored::founder(&[1, 2, 3]), std::iter::empty())?;
        nodes.push(node);
    }
    let mut proposed = false;
    for _tick in 0..100 {
        let mut network = Vec::new();
        for (node, id) in nodes.iter_mut().zip(1..) {
            node.tick(1)?;
            if !proposed && node.status().role == Role::Leader {
                println!("node {id} leads");
                node.propose(b"hello", 7)?;
                proposed = true;
            }
            work(node, id, &mut network)?;
        }
        while let Some((from, to, bytes)) = network.pop() {
            let node = &mut nodes[to as usize - 1];
            node.step(from, &bytes)?;
            work(node, to, &mut network)?;
        }
    }
    Ok(())
}
