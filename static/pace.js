/**
 * When to start playing a video that is still being made, so that it does not stop again.
 *
 * Knows numbers only: how much has been made at what time, and how much is still to come.
 */

/** Seconds of media that browsers want before they begin (Chromium: 0.2 to 0.24). */
const LEAST = 0.2;
/** Weight, in seconds of observation, of the rate the server expected. */
const HINT_WEIGHT = 2;
/** Seconds of history the measured rate is taken over: it follows when another job takes its share. */
const WINDOW = 10;
/** Much less than was expected, seen for this many seconds, means that it was expected of something else. */
const CONTRADICTED = { share: 0.7, after: 0.6 };
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
   * The slope since the first report, blended with the hint. Not media/wall: the first frames would count
   * as made in no time, and a too high rate costs a stall.
   * @returns {number | null}
   */
  get value() {
    const first = this.reports[0];
    const last = this.reports.at(-1);
    const media = first && last ? last[0] - first[0] : 0;
    const wall = first && last ? last[1] - first[1] : 0;
    if (this.hint === null) return wall < SHORTEST ? null : media / wall;
    if (wall >= CONTRADICTED.after && media / wall < this.hint * CONTRADICTED.share) return media / wall;
    const weight = HINT_WEIGHT * Math.max(0, 1 - wall / WINDOW);
    return weight + wall ? (this.hint * weight + media) / (weight + wall) : this.hint;
  }
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
    if (remaining === null || rate === null || rate >= 1) return this.least;
    if (rate <= 0) return Infinity;
    return Math.max(this.least, remaining * (1 / rate - 1) * 1.05 + 0.25);
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
