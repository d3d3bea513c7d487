//! The doctor's visit: questions out, answers heard, findings told.

use std::{pin::pin, time::Duration};

use axum::{Extension, Json, extract::State};
use tokio::time::sleep;

use super::{
    Query, Stay,
    refusal::Refusal,
    router::{Manager, NoParameters},
};
use crate::control::{
    capture::{ANY, Asked, SNAP_OCTETS, Stream, Wish, filter},
    doctor::{self, ANSWERS, Hearing, Sent, Ward, examination},
    views::Examination,
};

/// How long answers have: to ARP, and to the rest. Each is asked twice.
const ARP: Duration = Duration::from_millis(300);
const REST: Duration = Duration::from_millis(700);

/// What is asked twice, as the first may be lost.
const TIMES: usize = 2;

/// Looks at all backends.
pub(super) async fn examine(
    State(manager): State<Manager>,
    Extension(stay): Extension<Stay>,
    _: NoParameters,
) -> Result<Json<Examination>, Refusal> {
    let ward = manager
        .ask(|answer| Query::Doctor(doctor::Asked::Ward(answer)))
        .await?;
    // Of many backends it takes longer than other answers may.
    let _working = stay.work();
    let not_looked_at = ward.others as u64;
    let mut all = Examination::default();
    for part in ward.split() {
        let found = visit(&manager, &part).await?;
        all.backends += found.backends;
        let is_new = |finding: &_| !all.findings.contains(finding);
        let findings: Vec<_> = found.findings.into_iter().filter(is_new).collect();
        all.findings.extend(findings);
    }
    Ok(Json(Examination {
        not_looked_at,
        ..all
    }))
}

async fn visit(manager: &Manager, ward: &Ward) -> Result<Examination, Refusal> {
    let wish = Wish {
        on: vec![ANY.to_owned()],
        filter: filter(ANSWERS)?,
        count: None,
        snap_octets: SNAP_OCTETS,
    };
    let begin = |answer| Query::Capture(Asked::Begin { wish, answer });
    let mut stream = manager.ask(begin).await??;
    let (mut heard, mut capture) = (Hearing::default(), Vec::new());
    for _ in 0..TIMES {
        send(manager, ward.who_has()).await?;
        listen(&mut stream, &mut capture, ARP).await;
    }
    heard.listen(&capture, &ward.patients)?;
    for _ in 0..TIMES {
        send(manager, ward.questions(&heard)).await?;
        listen(&mut stream, &mut capture, REST).await;
    }
    heard.listen(&capture, &ward.patients)?;
    send(manager, ward.farewells(&heard)).await?;
    manager
        .ask(|answer| Query::Capture(Asked::End(answer)))
        .await?;
    // Until then another cannot begin.
    while stream.recv().await.is_some() {}
    Ok(examination(ward, &heard))
}

async fn send(manager: &Manager, frames: Vec<Sent>) -> Result<(), Refusal> {
    let send = |answer| Query::Doctor(doctor::Asked::Send { frames, answer });
    manager.ask(send).await
}

/// Takes what comes within a time.
async fn listen(stream: &mut Stream, capture: &mut Vec<u8>, time: Duration) {
    let mut over = pin!(sleep(time));
    loop {
        tokio::select! {
            () = &mut over => break,
            piece = stream.recv() => match piece {
                Some(piece) => capture.extend(piece),
                None => break,
            },
        }
    }
}
