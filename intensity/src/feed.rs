//! One service for one zone: asks it when it is due, keeps what it said, and
//! gives the last good figures with their age when it is silent.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tanso_carbon::calendar::UtcHour;
use tanso_carbon::report::Digest;
use tanso_carbon::series::{Method, SeriesInfo};
use tanso_carbon::{IntensitySeries, Period};

use crate::book::{Book, Restated, oldest_forecast};
use crate::http::{Http, HttpFault};
use crate::provider::{Freshness, IntensityProvider, Loaded, Marginal, ProviderFault};
use crate::reading::AnswerFault;
use crate::service::{Ask, PAST, Secret, Service, hour_from};

/// How long a login is taken to last.
const LOGIN_LASTS: SignedDuration = SignedDuration::from_mins(25);

/// Most requests for the past at one time: a year takes an hour or two.
const PIECES_AT_A_TIME: usize = 4;

/// The last hours that are asked for every time; before them it is the past.
/// One hour less than a day: services differ in whether the first is in.
const EVERY_TIME_H: i64 = 23;

/// What a feed is made of.
pub struct Setting {
    /// Its name in messages and in the policy.
    pub name: String,
    /// Where the service is.
    pub endpoint: String,
    /// The service's own address, if it has a public one.
    pub services_own: Option<&'static str>,
    /// What to ask and how to read it.
    pub service: Box<dyn Service>,
    /// The file that keeps what it said; `None` keeps it in memory only.
    pub file: Option<PathBuf>,
    /// How old a confirmation may be before the figures count as stale, and
    /// a forecast before it is no longer used.
    pub stale_after: SignedDuration,
}

/// Why asking failed; what was known before stays.
#[derive(Debug, thiserror::Error)]
pub enum FeedFault {
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpFault),
    /// An answer that is refused.
    #[error("the answer to {what} of {endpoint} is refused: {source}")]
    Answer {
        /// What was asked for.
        what: &'static str,
        /// Where.
        endpoint: String,
        /// Why.
        #[source]
        source: AnswerFault,
    },
}

/// What asking came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Requests that were sent; 0 when none was due.
    pub asked: usize,
    /// Hours whose figures changed.
    pub restated: usize,
    /// When the service wants to be asked again, if it refused a part with a wait.
    retry_at: Option<Timestamp>,
}

/// A service for one zone, with what it has said.
pub struct Feed {
    setting: Setting,
    state: Mutex<State>,
    /// One refresh at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    book: Book,
    login: Option<(Secret, Timestamp)>,
    last_fault: Option<String>,
    /// The first hour that anyone needed since the service was asked last.
    wanted_from: Option<UtcHour>,
}

impl Feed {
    /// A feed with what its file holds. A broken file is said in the log and
    /// begun anew: what was in it can be asked again.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let read = setting.file.as_deref().map(Book::read).transpose();
        let book = read.unwrap_or_else(|fault| {
            tracing::warn!(error = %fault, provider = setting.name, "starting an intensity cache anew");
            None
        });
        Self {
            setting,
            state: Mutex::new(State {
                book: book.unwrap_or_default(),
                ..State::default()
            }),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What its figures are.
    #[must_use]
    pub fn info(&self) -> SeriesInfo {
        self.setting.service.info()
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.setting.name
    }

    /// Asks the service if it is due, and keeps what it said.
    ///
    /// # Errors
    /// If there is no usable answer; what was known before stays, and the
    /// next time waits longer.
    pub async fn refresh(&self, http: &Http, now: Timestamp) -> Result<Refreshed, FeedFault> {
        self.refresh_from(http, UtcHour::containing(now), now).await
    }

    /// As [`Self::refresh`], and asks for hours since `from` that are missing
    /// or were estimates when they were seen: in bounded pieces, a few at a
    /// time, the newest first.
    ///
    /// # Errors
    /// As [`Self::refresh`].
    pub async fn refresh_from(
        &self,
        http: &Http,
        from: UtcHour,
        now: Timestamp,
    ) -> Result<Refreshed, FeedFault> {
        let _turn = self.turn.lock().await;
        let from = {
            let mut state = self.state();
            // Policies share a feed: whoever comes when it is due asks for all.
            let from = state.wanted_from.map_or(from, |other| other.min(from));
            if !state.book.pace.is_due(now) {
                state.wanted_from = Some(from);
                return Ok(Refreshed::default());
            }
            state.wanted_from = None;
            from
        };
        let result = self.ask_all(http, from, now).await;
        let mut state = self.state();
        match &result {
            Ok(done) => {
                state.book.pace.succeeded(now);
                if let Some(retry_at) = done.retry_at {
                    state.book.pace.must_wait(now, retry_at);
                }
                state.book.confirmed_at = Some(now);
                state.last_fault = None;
            }
            Err(fault) => {
                let retry_at = match fault {
                    FeedFault::Http(fault) => fault.retry_at(),
                    FeedFault::Answer { .. } => None,
                };
                state.book.pace.failed(now, retry_at, self.salt());
                state.last_fault = Some(fault.to_string());
            }
        }
        if let Some(file) = &self.setting.file
            && let Err(fault) = state.book.write(file)
        {
            tracing::warn!(error = %fault, provider = self.setting.name, "keeping intensity failed");
        }
        result
    }

    fn salt(&self) -> u64 {
        let digest = Digest::of_text(&self.setting.name).to_string();
        digest.bytes().map(u64::from).sum()
    }

    async fn ask_all(
        &self,
        http: &Http,
        from: UtcHour,
        now: Timestamp,
    ) -> Result<Refreshed, FeedFault> {
        let mut done = Refreshed::default();
        let token = self.token(http, now, &mut done).await?;
        for ask in self.setting.service.asks(now, token.as_ref()) {
            if !self.ask_one(http, &ask, now, &mut done).await? {
                return Ok(done);
            }
        }
        self.ask_past(http, from, now, token.as_ref(), &mut done)
            .await?;
        Ok(done)
    }

    /// Asks for what is missing before the hours that are asked for every time.
    async fn ask_past(
        &self,
        http: &Http,
        from: UtcHour,
        now: Timestamp,
        token: Option<&Secret>,
        done: &mut Refreshed,
    ) -> Result<(), FeedFault> {
        let service = &self.setting.service;
        let length = service.past_hours_max();
        let past = Period {
            from,
            until: UtcHour::containing(hour_from(now, -EVERY_TIME_H)),
        };
        let pieces = self
            .state()
            .book
            .missing(past, length, PIECES_AT_A_TIME, now);
        for piece in pieces {
            let Some(ask) = service.ask_past(piece, token) else {
                break;
            };
            let goes_on = self.ask_one(http, &ask, now, done).await?;
            if !goes_on {
                break;
            }
            self.state().book.note_asked(piece, length, now);
        }
        Ok(())
    }

    /// Sends one request and keeps what comes; says whether the service may be
    /// asked for more. What is optional fails by itself only.
    async fn ask_one(
        &self,
        http: &Http,
        ask: &Ask,
        now: Timestamp,
        done: &mut Refreshed,
    ) -> Result<bool, FeedFault> {
        done.asked += 1;
        let (endpoint, own) = (&self.setting.endpoint, self.setting.services_own);
        let body = match http.ask(endpoint, own, ask).await {
            Ok(body) => body,
            Err(fault) => {
                if fault.is_unauthorized() {
                    self.state().login = None;
                }
                if !ask.is_optional {
                    return Err(fault.into());
                }
                tracing::debug!(error = %fault, provider = self.setting.name, what = ask.what, "a part is not there");
                done.retry_at = done.retry_at.max(fault.retry_at());
                // Who wants to be left alone is, also for the rest.
                return Ok(!matches!(fault, HttpFault::Later { .. }));
            }
        };
        match self.setting.service.read(ask.what, &body, now) {
            Ok(answer) => done.restated += self.state().book.note(&answer, now),
            Err(AnswerFault::Empty { .. }) if ask.is_optional => {}
            // A broken page of the past leaves the present as it is.
            Err(source) if ask.what == PAST => {
                tracing::warn!(error = %source, provider = self.setting.name, "an answer about the past is refused");
            }
            Err(source) => {
                return Err(FeedFault::Answer {
                    what: ask.what,
                    endpoint: endpoint.clone(),
                    source,
                });
            }
        }
        Ok(true)
    }

    /// What authorises the requests, where there is a login.
    async fn token(
        &self,
        http: &Http,
        now: Timestamp,
        done: &mut Refreshed,
    ) -> Result<Option<Secret>, FeedFault> {
        let Some(ask) = self.setting.service.login() else {
            return Ok(None);
        };
        let known = self.state().login.clone();
        if let Some((token, until)) = known
            && now < until
        {
            return Ok(Some(token));
        }
        done.asked += 1;
        let endpoint = &self.setting.endpoint;
        let body = http.ask(endpoint, self.setting.services_own, &ask).await?;
        let token = self.setting.service.token(&body);
        let token = token.map_err(|source| FeedFault::Answer {
            what: ask.what,
            endpoint: endpoint.clone(),
            source,
        })?;
        let until = now.checked_add(LOGIN_LASTS).unwrap_or(now);
        self.state().login = Some((token.clone(), until));
        Ok(Some(token))
    }

    /// Hours of a period whose figures were changed after publication.
    #[must_use]
    pub fn restated(&self, period: Period) -> Vec<Restated> {
        self.state().book.restated(period)
    }

    /// What is known, as seen at an instant.
    #[must_use]
    pub fn seen_at(self: &Arc<Self>, now: Timestamp) -> Seen {
        Seen {
            feed: Arc::clone(self),
            now,
        }
    }

    fn known(&self, now: Timestamp) -> Result<Loaded, ProviderFault> {
        let fault = |reason: String| ProviderFault::Service {
            provider: self.setting.name.clone(),
            reason,
        };
        let state = self.state();
        let oldest = oldest_forecast(now, self.setting.stale_after);
        let points = state.book.points(oldest);
        if points.is_empty() {
            let why = state.last_fault.clone();
            return Err(fault(why.unwrap_or_else(|| "not asked yet".to_owned())));
        }
        let series = IntensitySeries::try_new(self.info(), points)
            .map_err(|broken| fault(broken.to_string()))?;
        let digest = series.digest();
        let freshness = self.freshness(&state, now);
        let ahead = state.book.forecast(oldest).and_then(|forecast| {
            let until = forecast.until()?;
            Some(format!(
                "; forecast of {} until {until}",
                forecast.issued_at
            ))
        });
        let past = state.book.past();
        drop(state);
        Ok(Loaded {
            past,
            series: Arc::new(series),
            filled_by: format!(
                "hours that are missing stay missing{}",
                ahead.unwrap_or_default()
            ),
            digest,
            freshness,
        })
    }

    fn freshness(&self, state: &State, now: Timestamp) -> Freshness {
        let as_of = state.book.confirmed_at;
        let oldest = oldest_forecast(now, self.setting.stale_after);
        let is_stale = as_of.is_none_or(|at| at < oldest);
        let mut notes = Vec::new();
        if is_stale {
            let since = as_of.map_or_else(|| "never".to_owned(), |at| at.to_string());
            let why = state.last_fault.as_deref().unwrap_or("it was not asked");
            notes.push(format!(
                "{}: last good answer {since}, older than {}: {why}",
                self.setting.name,
                in_words(self.setting.stale_after)
            ));
        }
        Freshness {
            as_of,
            is_stale,
            notes,
        }
    }
}

/// `6 h`, or `90 min` where it is no whole number of hours.
fn in_words(span: SignedDuration) -> String {
    if span.as_secs() % 3_600 == 0 {
        format!("{} h", span.as_hours())
    } else {
        format!("{} min", span.as_mins())
    }
}

/// A feed as it is known at an instant.
#[derive(Clone)]
pub struct Seen {
    feed: Arc<Feed>,
    now: Timestamp,
}

impl Seen {
    /// The marginal figures; `None` if the service gives average ones.
    ///
    /// # Errors
    /// If it gave none yet.
    #[must_use]
    pub fn marginal(&self) -> Option<Result<Marginal, ProviderFault>> {
        (self.feed.info().method == Method::Marginal)
            .then(|| self.feed.known(self.now).map(Marginal))
    }
}

impl IntensityProvider for Seen {
    fn load(&self, _: &str, _: i16) -> Result<Loaded, ProviderFault> {
        if self.feed.info().method == Method::Marginal {
            return Err(ProviderFault::Service {
                provider: self.feed.name().to_owned(),
                reason: "gives marginal figures, which price no energy".to_owned(),
            });
        }
        self.feed.known(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_hours_or_else_in_minutes() {
        assert_eq!(in_words(SignedDuration::from_hours(6)), "6 h");
        assert_eq!(in_words(SignedDuration::from_mins(90)), "90 min");
    }
}
