//! How the numbers of a segment move, between what a client counts and what its backend does.

use zerocopy::FromBytes;

use crate::{
    session::{Introduction, Phase},
    wire::tcp,
};

pub(super) fn to_backend(segment: &mut [u8], introduction: Introduction) {
    if let Ok((header, _)) = tcp::Header::mut_from_prefix(segment) {
        header.move_sequence(introduction.to_backend(header.sequence()));
    }
}

pub(super) fn to_client(segment: &mut [u8], introduction: Introduction) {
    if let Ok((header, _)) = tcp::Header::mut_from_prefix(segment)
        && header.flags().ack()
    {
        header.move_acknowledgement(introduction.to_client(header.acknowledgement()));
        // Before the header is there, all that the client has sent may be beyond the gap; who is
        // told so need not send again, and would bring no header.
        if introduction.phase == Phase::Told {
            tcp::remove_sacks(segment);
        } else {
            tcp::move_sacks(segment, |end| introduction.to_client(end));
        }
    }
}
