use super::*;

const PSH: u8 = 0x08;
const URG: u8 = 0x20;

/// The states that a conversation leads through; `<` goes to the client, all else from it.
fn follow(only: bool, segments: &[(char, u8)]) -> Vec<State> {
    let mut state = State::None;
    let next = |&(to, flags): &(char, u8)| {
        let direction = match to {
            '<' => Direction::Reverse,
            _ if only => Direction::ForwardOnly,
            _ => Direction::Forward,
        };
        state = state.next(direction, Event::from_flags(flags).unwrap());
        state
    };
    segments.iter().map(next).collect()
}

const OPEN: [(char, u8); 3] = [('>', SYN), ('<', SYN | ACK), ('>', ACK)];

// The five conversations below are those that were played to the kernel.

#[test]
fn a_whole_connection_ends_in_time_wait() {
    let close = [('>', FIN | ACK), ('<', ACK), ('<', FIN | ACK), ('>', ACK)];
    assert_eq!(follow(false, &OPEN), [SR, SR, ES]);
    let all = follow(false, &[&OPEN[..], &close].concat());
    assert_eq!(all, [SR, SR, ES, CW, CW, TW, TW]);
}

#[test]
fn a_backend_that_closes_first_leads_through_fin_wait() {
    let close = [('<', FIN | ACK), ('>', ACK), ('>', FIN | ACK), ('<', ACK)];
    let all = follow(false, &[&OPEN[..], &close].concat());
    assert_eq!(all, [SR, SR, ES, FW, FW, TW, TW]);
}

#[test]
fn a_syn_in_time_wait_opens_again() {
    assert_eq!(TW.next(Direction::Forward, Event::Syn), SR);
}

#[test]
fn a_reset_by_the_client_does_not_end_a_half_open_connection() {
    assert_eq!(follow(false, &[('>', SYN), ('>', RST)]), [SR, SR]);
    assert_eq!(follow(false, &[('>', SYN), ('<', RST | ACK)]), [SR, CL]);
}

#[test]
fn without_replies_seen_the_client_s_fin_waits_and_its_reset_closes() {
    let all = follow(
        true,
        &[('>', SYN), ('>', ACK), ('>', FIN | ACK), ('>', ACK)],
    );
    assert_eq!(all, [SR, ES, FW, FW]);
    assert_eq!(
        follow(true, &[('>', SYN), ('>', ACK), ('>', RST)]),
        [SR, ES, CL]
    );
}

#[test]
fn what_stays_is_what_next_leaves_as_it_is() {
    use Direction::{Forward, ForwardOnly, Reverse};

    assert!(ES.stays(ACK) && ES.stays(ACK | PSH) && !ES.stays(PSH) && !SR.stays(ACK));
    for flags in (0..=u8::MAX).filter(|flags| ES.stays(*flags)) {
        let event = Event::from_flags(flags).unwrap();
        for direction in [Forward, Reverse, ForwardOnly] {
            assert_eq!(ES.next(direction, event), ES, "{flags:#04x} {direction:?}");
        }
    }
}

#[test]
fn flags_count_in_the_order_rst_syn_fin_ack() {
    assert_eq!(Event::from_flags(RST | SYN | FIN | ACK), Some(Event::Rst));
    assert_eq!(Event::from_flags(SYN | FIN | ACK | PSH), Some(Event::Syn));
    assert_eq!(Event::from_flags(FIN | ACK | URG), Some(Event::Fin));
    assert_eq!(Event::from_flags(ACK | 0xe8), Some(Event::Ack));
    assert_eq!(Event::from_flags(0), None);
    assert_eq!(Event::from_flags(!(RST | SYN | FIN | ACK)), None);
}

#[test]
fn what_is_active_and_what_is_half_open() {
    use State::{None as NO, SynAck as SA};

    let all = [NO, ES, SS, SR, FW, TW, CL, CW, LA, LI, SA];
    let those = |is: fn(State) -> bool| all.into_iter().filter(|s| is(*s)).collect::<Vec<_>>();
    assert_eq!(those(State::is_active), [ES, SS, SR, SA]);
    assert_eq!(those(State::is_half_open), [NO, SS, SR, SA]);
    assert_eq!(
        all.map(|state| state as usize),
        std::array::from_fn(|number| number)
    );
    assert_eq!(format!("{SA:<8}|{ES}"), "SYNACK  |ESTABLISHED");
}

/// Each state with where SYN, FIN, ACK and RST lead: from the client, from the backend, and from
/// the client alone. Written down a second time and the other way round, so that no slip in a cell
/// goes unseen.
const BY_STATE: [&str; State::COUNT] = [
    "NO: SR CL ES CL | SS TW ES CL | SR CL ES CL",
    "ES: ES CW ES CL | ES FW ES CL | ES FW ES CL",
    "SS: ES SS SS CL | SS SS SS SS | ES SS SS CL",
    "SR: SR TW ES SR | SR TW ES CL | SR TW ES SR",
    "FW: SR TW FW CL | SS FW FW CL | SR FW FW CL",
    "TW: SR TW TW CL | SS TW TW TW | SR TW TW CL",
    "CL: SR CL CL CL | SS CL CL CL | SR CL CL CL",
    "CW: SR CW CW CL | SS TW CW CL | SR CW CW CL",
    "LA: SR LA CL LA | SS LA LA CL | SR LA CL LA",
    "LI: SR LI LI LI | LI LI ES CL | SR LI LI LI",
    "SA: SR TW ES SR | SR TW ES CL | SR TW ES CL",
];

#[test]
fn every_cell_is_as_written_twice() {
    use State::{None as NO, SynAck as SA};

    let names = "NO ES SS SR FW TW CL CW LA LI SA".split(' ');
    let named: Vec<_> = names
        .zip([NO, ES, SS, SR, FW, TW, CL, CW, LA, LI, SA])
        .collect();
    let state = |text: &str| named.iter().find(|(name, _)| *name == text).unwrap().1;
    for line in BY_STATE {
        let (before, cells) = line.split_once(": ").unwrap();
        let directions = [
            Direction::Forward,
            Direction::Reverse,
            Direction::ForwardOnly,
        ];
        for (direction, cells) in directions.into_iter().zip(cells.split(" | ")) {
            let events = [Event::Syn, Event::Fin, Event::Ack, Event::Rst];
            for (event, after) in events.into_iter().zip(cells.split(' ')) {
                let next = state(before).next(direction, event);
                assert_eq!(next, state(after), "{before} {direction:?} {event:?}");
            }
        }
    }
}
