//! What goes wrong in a run: all of it follows from a number.

use std::fmt;
use std::time::Duration;

/// What goes wrong in a run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub rules: Vec<Rule>,
    pub crash: Option<Crash>,
    /// After a crash, the operator sees the cluster for a while as it was so many writes before.
    pub stale: Option<usize>,
    /// Each step is taken when the one before has come to so many writes, and not only when it is done.
    pub hurries: Option<u32>,
}

/// A fault, and the requests that it happens to.
#[derive(Clone, Debug)]
pub struct Rule {
    pub on: On,
    /// The first of them, counted from one.
    pub first: u32,
    /// How many in a row.
    pub times: u32,
    pub fault: Fault,
}

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Write,
    Read,
    Watch,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is passed on late.
    Slow(Duration),
    /// It is not passed on; this status comes back, with `Retry-After` if it is 429.
    Refused(u16),
    /// It is not passed on, and the connection ends.
    Unsent,
    /// It took effect, and the connection ends without an answer.
    Unanswered,
    /// It took effect, and the connection breaks in the midst of the answer.
    HalfAnswered,
    /// It took effect, and is answered as if it had failed.
    Denied(u16),
    /// It took effect, and is never answered: the operator has to give up.
    Hung,
    /// The watch ends after so many events, in good order or not.
    Ends(usize),
    Breaks(usize),
    /// After so many events, the watch says that the past is gone.
    Gone(usize),
    /// The watch is not even begun: the past is gone.
    GoneAtOnce,
    /// The watch shows nothing for a while.
    Silent(Duration),
}

/// The operator is killed around a write, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    pub write: u32,
    pub when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before it is passed on, which it never is.
    Before,
    /// After it took effect, and before the operator knows.
    After,
    /// Before it is passed on, which it is when the next process has been at work for a while: it was
    /// under way.
    Late,
}

impl Crash {
    /// From such as `after-7`.
    pub fn read(text: &str) -> Option<Self> {
        let (when, write) = text.split_once('-')?;
        let when = [When::Before, When::After, When::Late].into_iter().find(|it| it.to_string() == when)?;
        Some(Self { write: write.parse().ok()?, when })
    }
}

impl Plan {
    /// Nothing but a crash.
    pub fn crash(crash: Crash) -> Self {
        Self { crash: Some(crash), ..Self::default() }
    }

    /// What follows from a number.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let count = dice.between(2, 4);
        let rules = (0..count).map(|_| rule(&mut dice)).collect();
        let when = [When::Before, When::After, When::Late];
        let crash =
            (dice.below(2) == 0).then(|| Crash { write: dice.between(1, 12), when: when[dice.below(3) as usize] });
        let stale = (crash.is_some() && dice.below(3) == 0).then(|| dice.between(1, 6) as usize);
        let hurries = (dice.below(3) == 0).then(|| dice.below(20));
        Self { rules, crash, stale, hurries }
    }

    /// The fault of the `number`th request of a sort.
    pub fn fault(&self, on: On, number: u32) -> Option<Fault> {
        let fits = |it: &&Rule| it.on == on && (it.first..it.first + it.times).contains(&number);
        self.rules.iter().find(fits).map(|it| it.fault)
    }
}

fn rule(dice: &mut Dice) -> Rule {
    let millis = |dice: &mut Dice, least, most| Duration::from_millis(dice.between(least, most).into());
    match dice.below(10) {
        0..6 => {
            let fault = match dice.below(12) {
                0 => Fault::Slow(millis(dice, 50, 1500)),
                1 | 2 => Fault::Refused(409),
                3 => Fault::Refused(429),
                4 => Fault::Refused(500),
                5 => Fault::Refused(503),
                6 => Fault::Unsent,
                7 => Fault::Unanswered,
                8 => Fault::HalfAnswered,
                9 => Fault::Denied(500),
                10 => Fault::Denied(504),
                // It takes the operator's whole patience: rarely.
                _ if dice.below(4) == 0 => Fault::Hung,
                _ => Fault::Unanswered,
            };
            let times = if matches!(fault, Fault::Hung) { 1 } else { dice.between(1, 2) };
            Rule { on: On::Write, first: dice.between(1, 16), times, fault }
        }
        6 | 7 => {
            let fault = match dice.below(6) {
                0 => Fault::Slow(millis(dice, 50, 1500)),
                1 => Fault::Refused(429),
                2 => Fault::Refused(500),
                3 => Fault::Refused(503),
                4 => Fault::Unsent,
                _ => Fault::HalfAnswered,
            };
            Rule { on: On::Read, first: dice.between(1, 30), times: dice.between(1, 4), fault }
        }
        _ => {
            let events = dice.below(4) as usize;
            let fault = match dice.below(6) {
                0 => Fault::Ends(events),
                1 => Fault::Breaks(events),
                2 => Fault::Gone(events),
                3 => Fault::GoneAtOnce,
                4 => Fault::Refused(500),
                _ => Fault::Silent(millis(dice, 200, 2500)),
            };
            Rule { on: On::Watch, first: dice.between(1, 24), times: dice.between(1, 8), fault }
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
            Self::Late => "late",
        })
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.when, self.write)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Rule { on, first, times, fault } in &self.rules {
            writeln!(f, "  {on:?} {first} and {} more: {fault:?}", times - 1)?;
        }
        if let Some(crash) = &self.crash {
            writeln!(f, "  crash {crash}")?;
        }
        if let Some(back) = self.stale {
            writeln!(f, "  then a view that is {back} writes old")?;
        }
        if let Some(writes) = self.hurries {
            writeln!(f, "  each step comes after {writes} writes of the one before")?;
        }
        Ok(())
    }
}

/// Numbers that follow from a first one (`SplitMix64`): the same on every machine, for ever.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).unwrap_or_default()
    }

    /// Both included.
    fn between(&mut self, least: u32, most: u32) -> u32 {
        least + self.below(most - least + 1)
    }
}
