/**
 * When to start playing a video that is still being made, so that it does not stop again.
 *
 * Knows numbers only: how much has been made at what time, and how much is still to come.
 */

/** Seconds of media that browsers want before they begin (Chromium: 0.2 to 0.24). */
const LEAST = 0.2;
/** Seconds that media may come late by: engines draw 8 frames at once, and machines have other things to do. */
const MARGIN = 0.4;
/** At this rate being late does no harm: the next frames come before the last are played. */
const SAFE_RATE = 1.5;
/** Weight, in seconds of observation, of the rate the server expected. */
const HINT_WEIGHT = 2;
/** Seconds of history the measured rate is taken over: it follows when another job takes its share. */
const WINDOW = 20;
/** Much less than was expected, seen for this many seconds, means that it was expected of something else. */
const CONTRADICTED = { share: 0.6, after: 1.2 };
/** Shorter observations say nothing: the first frames arrive in a burst. */
const SHORTEST = 0.3;

/** The rate at which media comes into being, in seconds of media per second. */
export class Rate {
  /** @param {number | null} [hint] what the server expects from earlier runs; better too low than too high */
  constructor(hint = null) {
    this.hint = hint;
    /** @type {Array<[media: number, wall: number]>} */
    this.reports = [];
  }

  /**
   * @param {number} media seconds of media made so far
   * @param {number} wall the time of this report, in seconds on any steady clock
   */
  report(media, wall) {
    const last = this.reports.at(-1);
    if (last && wall <= last[1]) return;
    if (last && media < last[0]) this.reports = []; // the making began anew
    this.reports.push([media, wall]);
    while (this.reports.length > 2 && wall - this.reports[1][1] > WINDOW) this.reports.shift();
  }

  /**
   * Seconds of media per second, or null while there is nothing to go by.
   *
   * The slope of the reports, blended with the hint. Not media/wall: the first frames would count as made in
   * no time, and a too high rate costs a stall.
   * @returns {number | null}
   */
  get value() {
    const wall = this.reports.length ? this.reports[this.reports.length - 1][1] - this.reports[0][1] : 0;
    if (wall < SHORTEST) return this.hint;
    const measured = slope(this.reports);
    if (this.hint === null) return measured;
    if (wall >= CONTRADICTED.after && measured < this.hint * CONTRADICTED.share) return measured;
    const weight = HINT_WEIGHT * Math.max(0, 1 - wall / WINDOW);
    return (this.hint * weight + measured * wall) / (weight + wall);
  }
}

/**
 * Of the line that fits best: media comes in pieces, and two points alone would be off by one.
 * @param {Array<[media: number, wall: number]>} reports
 */
function slope(reports) {
  const mean = (/** @type {0 | 1} */ axis) => reports.reduce((sum, report) => sum + report[axis], 0) / reports.length;
  const [media, wall] = [mean(0), mean(1)];
  const together = reports.reduce((sum, [made, at]) => sum + (made - media) * (at - wall), 0);
  return Math.max(0, together / reports.reduce((sum, [, at]) => sum + (at - wall) ** 2, 0));
}

/**
 * Decides when to start, and after a stall when to go on.
 *
 * With the length known, one wait is enough: at rate r < 1, playing R more seconds of media that are not
 * yet made takes a lead of R * (1/r - 1). With the length unknown, the lead doubles with every stall.
 */
export class Pace {
  constructor() {
    this.least = LEAST;
    this.stalls = 0;
  }

  /** Playback ran dry. */
  stalled() {
    this.stalls += 1;
    this.least = Math.min(4, this.least * 2);
  }

  /**
   * Seconds of media that must lie ahead before playing.
   * @param {number | null} remaining seconds of media still to be made, or null while unknown
   * @param {number | null} rate
   */
  lead(remaining, rate) {
    if (rate === null || rate >= SAFE_RATE) return this.least;
    if (rate >= 1 || remaining === null) return this.least + MARGIN;
    if (rate <= 0) return Infinity;
    return Math.max(this.least, remaining * (1 / rate - 1) * 1.05) + MARGIN;
  }

  /**
   * Seconds until playback starts; 0 means now, null means nobody can tell.
   * @param {number} ahead seconds of media buffered ahead of the playhead
   * @param {number | null} remaining
   * @param {number | null} rate
   */
  wait(ahead, remaining, rate) {
    const missing = this.lead(remaining, rate) - ahead;
    if (missing <= 0) return 0;
    if (!rate || missing === Infinity) return null;
    // While we wait, the lead grows by `rate` a second and the need falls by rate * (1/rate - 1) * 1.05.
    const shrink = remaining !== null && rate < 1 ? (1 - rate) * 1.05 : 0;
    return missing / (rate + shrink);
  }
}
