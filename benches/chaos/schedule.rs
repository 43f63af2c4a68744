//! Which fault comes when: two lanes, each of which draws every kind once before it draws one again.
use super::dice::Dice;
use super::fault::{Fault, Harm, Strain};
use super::ledger::Party;
use super::world::World;
use super::{Options, Outcome};
use std::time::Duration;

/// Each harm once to a home server and once to a partner.
pub(crate) fn servers(world: &World, dice: &mut Dice) -> Vec<Fault> {
    let mut faults = Vec::new();
    for harm in Harm::ALL {
        let member = Party::Member(dice.below(world.members.len()));
        let partner = Party::Partner(dice.below(world.partners.len()));
        faults.extend([member, partner].map(|party| Fault::Server(party, harm)));
    }
    faults
}

/// Each strain once.
pub(crate) fn strains(_: &World, _: &mut Dice) -> Vec<Fault> {
    Strain::ALL.map(Fault::Node).to_vec()
}

/// Makes one fault after the other until the time is over.
pub(crate) async fn lane(
    world: &World,
    options: &Options,
    deck: fn(&World, &mut Dice) -> Vec<Fault>,
    began: Duration,
) -> Outcome<()> {
    let mut dice = Dice::new(options.seed, deck(world, &mut Dice::new(0, 0)).len() as u64);
    loop {
        let mut faults = deck(world, &mut dice);
        faults.retain(|fault| fault.name().contains(&options.only));
        if faults.is_empty() {
            return Ok(());
        }
        dice.shuffle(&mut faults);
        for fault in faults {
            let (lasts, quiet) = (options.lasts, options.quiet);
            let lasts = dice.between(lasts.0, lasts.1);
            tokio::time::sleep(dice.between(quiet.0, quiet.1)).await;
            // First, since a process from before an upgrade may be there until the end of the last call.
            fault.can_begin(world).await?;
            // The last one is over, and recovered from, before the end.
            if world.ledger.now() + lasts + fault.bound() > began + options.time {
                return Ok(());
            }
            make(world, &mut dice, fault, lasts).await?;
        }
    }
}

/// Makes a fault, undoes it, and waits until all is well.
async fn make(world: &World, dice: &mut Dice, fault: Fault, lasts: Duration) -> Outcome<()> {
    let (name, label) = (fault.name(), fault.label(world));
    let hits = fault.hits(world);
    let entry = (name, label.clone());
    let number = world.ledger.begin(entry, &hits, fault.bound());
    let at = |time: Duration| time.as_secs_f64();
    let began = world.ledger.now();
    let made = fault.begin(world, dice, lasts).await;
    let undone = match &made {
        Ok(true) => fault.end(world).await,
        Ok(false) | Err(_) => Ok(()),
    };
    world.ledger.end(number);
    let ended = world.ledger.now();
    let made = made.map_err(|error| format!("{name} {label}: {error}"))?;
    undone.map_err(|error| format!("the end of {name} {label}: {error}"))?;
    if !made {
        return Ok(());
    }
    let recovered = well(world, number, &hits, ended, fault.bound()).await;
    eprintln!(
        "{:.1} to {:.1}: {name} {label}; well after {recovered:?}",
        at(began),
        at(ended)
    );
    match recovered {
        Some(after) => world.ledger.recovered(number, after),
        None => world.ledger.wrong(format!(
            "no call within {:?} after the end of {name} {label} at {:.3}",
            fault.bound(),
            at(ended)
        )),
    }
    Ok(())
}

/// How long it takes until everybody who was hit has taken part in a new call; `None`: too long.
async fn well(
    world: &World,
    fault: usize,
    hits: &[Party],
    ended: Duration,
    bound: Duration,
) -> Option<Duration> {
    let mut end = ended + bound;
    for party in hits {
        loop {
            if let Some(served) = world.ledger.served(*party).filter(|at| *at > ended) {
                let _ = served;
                break;
            }
            let now = world.ledger.now();
            // Another fault may be in the way.
            if world.ledger.is_hit_by_another(fault, *party) {
                end = end.max(now + bound);
            }
            if now > end {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Some(world.ledger.now().saturating_sub(ended))
}
