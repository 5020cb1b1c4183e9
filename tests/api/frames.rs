//! Frames of a stream, and the frame that opens a connection.

use crate::lone::follower;
use kit::{config, message};
use raftcore::wire::{
    FRAME_HEADER, HELLO_LEN, Hello, PROTOCOL_VERSION, parse_message, read_frame_header, read_hello, write_frame_header,
    write_hello,
};
use raftcore::{Config, Dialect, Error, Flags, MessageKind, StepFrames, wire};

#[test]
fn frames_and_hellos_read_back() {
    let mut header = [0; FRAME_HEADER];
    write_frame_header(&mut header, 0x0403_0201, 0x0c0b_0a09_0807_0605);
    assert_eq!(header, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(read_frame_header(&header), Some((0x0403_0201, 0x0c0b_0a09_0807_0605)));
    assert_eq!(read_frame_header(&header[..11]), None);

    let hello = Hello { version: PROTOCOL_VERSION, features: 5, group: u64::MAX, id: 3 };
    let mut frame = [0; HELLO_LEN + 4];
    assert_eq!(write_hello(&mut frame, &hello), HELLO_LEN);
    assert_eq!(write_hello(&mut [0; HELLO_LEN - 1], &hello), 0);
    assert_eq!(read_frame_header(&frame), Some((36, u64::MAX)));
    assert_eq!(read_hello(&frame[..HELLO_LEN]), Ok(hello));
    for end in (0..HELLO_LEN).chain([HELLO_LEN + 1]) {
        assert_eq!(read_hello(&frame[..end]), Err(Error::Decode), "{end}");
    }
    // A longer hello of a later version.
    frame[0] += 4;
    assert_eq!(read_hello(&frame), Ok(hello));
    // Magic and the two groups matter. The hello is no message.
    for at in [4, 12, 19, 32] {
        let mut broken = frame;
        broken[at] ^= 1;
        assert_eq!(read_hello(&broken), Err(Error::Decode), "{at}");
    }
    let mut unversioned = frame;
    unversioned[FRAME_HEADER + 8..FRAME_HEADER + 12].fill(0);
    assert_eq!(read_hello(&unversioned), Err(Error::Decode), "there is no version 0");
    assert_eq!(parse_message(&frame[FRAME_HEADER..]).err(), Some(Error::Decode));
}

#[test]
fn a_stream_tells_why_its_first_refused_frame_was_refused() {
    let mut node = follower(&config(1));
    let frame = |group: u64, message: &[u8]| {
        let mut bytes = [0; 12];
        wire::write_frame_header(&mut bytes, message.len() as u32, group);
        [&bytes[..], message].concat()
    };
    let good = prost::Message::encode_to_vec(&message(MessageKind::Heartbeat, 2, 1, 1));
    let stream = [frame(0, &good), frame(7, &good), frame(0, b"\xff"), frame(0, &good)].concat();
    let done = node.step_frames(2, &stream).unwrap();
    assert_eq!(done, StepFrames { consumed: stream.len(), rejected: 2, first: Some(Error::NotForMe) });
    assert_eq!(node.error_detail(), "a frame of group 7, this node is of group 0");
    assert_eq!(
        wire::next_frame(&stream, 100),
        Ok(wire::NextFrame::Whole { group: 0, message: &good, bytes: 12 + good.len() as u64 })
    );
    assert_eq!(wire::next_frame(&stream[..11], 100), Ok(wire::NextFrame::Needs(0)));
    assert_eq!(wire::next_frame(&stream[..13], 100), Ok(wire::NextFrame::Needs(12 + good.len() as u64)));
    assert_eq!(wire::next_frame(&stream, 13), Err(Error::Decode));
    let whole = 12 + good.len() as u64;
    assert!(matches!(wire::next_frame(&stream, whole), Ok(wire::NextFrame::Whole { bytes, .. }) if bytes == whole));
    assert_eq!(wire::next_frame(&stream, whole - 1), Err(Error::Decode));
}

#[test]
fn the_longest_frame_is_waited_for_and_a_longer_one_refused() {
    let config = config(1);
    let longest = u32::try_from(config.frame_limit()).unwrap() - FRAME_HEADER as u32;
    for (len, outcome) in [(longest, Ok(StepFrames::default())), (longest + 1, Err(Error::Decode))] {
        let mut header = [0; FRAME_HEADER];
        write_frame_header(&mut header, len, 0);
        assert_eq!(follower(&config).step_frames(2, &header), outcome);
    }
}

#[test]
fn a_hello_is_judged_by_version_and_id_but_not_by_other_features() {
    for dialect in [Dialect::Raftpb, Dialect::Eraftpb] {
        let mut node = follower(&Config { dialect, ..config(1) });
        let hello = Hello { id: 2, ..node.hello() };
        let newer = Hello { version: hello.version + 1, ..hello };
        let fenced = Hello { features: hello.features | Flags::TRANSFER_FENCE.0, ..hello };
        let last = Hello { id: u64::MAX - 16, ..hello };
        let local = Hello { id: u64::MAX - 15, ..hello };
        let refused = Err(Error::NotForMe);
        for (hello, outcome) in [(hello, Ok(())), (fenced, Ok(())), (last, Ok(())), (newer, refused), (local, refused)]
        {
            assert_eq!(node.check_hello(&hello), outcome, "{hello:?}");
        }
    }
}
