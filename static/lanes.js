/** A lane per step on the time line of the video: how far each has got, how fast it is, and where the viewer is. */

import { el, setText } from './dom.js';
import { Job, STAGES } from './job.js';

/** More queued items than this are not told apart. */
const MOST_DOTS = 6;

/** While there is no job, lanes are as for a video. */
const NOBODY = new Job('');

/**
 * @typedef {object} Lane
 * @property {HTMLElement} row
 * @property {HTMLElement} name
 * @property {HTMLElement} track
 * @property {HTMLElement} reach
 * @property {HTMLElement} speed
 */

export class Lanes {
  /**
   * @param {HTMLElement} root
   * @param {import('./i18n.js').Language} language
   */
  constructor(root, language) {
    this.root = root;
    this.language = language;
    this.scale = 10;
    this.lanes = new Map([...STAGES, 'play'].map((name) => [name, lane(name)]));
    this.ticks = el('div', { class: 'ticks', 'aria-hidden': 'true' });
    const rows = [...this.lanes.values()].map(({ row }) => row);
    root.append(el('ul', {}, ...rows), el('div', { class: 'playhead', 'aria-hidden': 'true' }), this.ticks);
  }

  /**
   * @param {import('./job.js').Job | null} job
   * @param {number} position of the viewer, in seconds
   * @param {number} buffered seconds of video the viewer has
   */
  draw(job, position, buffered) {
    const reaches = new Map(STAGES.map((name) => [name, job?.reach(name) ?? 0]));
    const furthest = Math.max(...reaches.values(), position + buffered);
    // Until the length is known, leave room to grow; then nothing needs to move any more.
    this.#axis(job?.duration ? Math.max(job.duration, furthest) : Math.max(10, furthest * 1.3));
    for (const name of STAGES) this.#stage(name, job, reaches.get(name) ?? 0);
    this.#viewer(position, buffered);
  }

  /** Only the playhead: cheap enough for every animation frame. @param {number} position */
  move(position) {
    this.root.style.setProperty('--at', String(Math.min(1, position / this.scale)));
  }

  /** @param {string} name @param {import('./job.js').Job | null} job @param {number} reach */
  #stage(name, job, reach) {
    const { t } = bound(this.language);
    const { state, queue_depth: depth } = job?.stage(name) ?? { state: 'pending', queue_depth: 0 };
    const speed = state === 'running' ? (job?.speed(name) ?? null) : null;
    const queue = state === 'running' ? depth : 0;
    const idle = state === 'pending' || state === 'skipped';
    const figures = idle || name === 'prepare' ? '' : this.language.seconds(reach);
    this.#row(name, state, reach / this.scale, figures, speed === null ? '' : this.language.times(speed));
    const { row, track } = this.#lane(name);
    row.hidden = !(job ?? NOBODY).has(name);
    track.style.setProperty('--queue', String(Math.min(queue, MOST_DOTS)));
    const said = [t(`state.${state}`), figures, queue ? t('lanes.queue', { count: queue }) : ''];
    track.setAttribute('aria-valuetext', said.filter(Boolean).join(', '));
  }

  /** @param {number} position @param {number} buffered */
  #viewer(position, buffered) {
    this.#row('play', position > 0 ? 'running' : 'pending', position / this.scale, this.language.seconds(position), '');
    const { track } = this.#lane('play');
    track.style.setProperty('--buffered', String(Math.min(1, (position + buffered) / this.scale)));
    track.setAttribute('aria-valuetext', this.language.seconds(position));
    this.move(position);
  }

  /** @param {string} name @param {string} state @param {number} share @param {string} figures @param {string} speed */
  #row(name, state, share, figures, speed) {
    const { row, track, reach, speed: rate, name: label } = this.#lane(name);
    const title = this.language.t(name === 'play' ? 'lanes.play' : `lane.${name}`);
    row.dataset.state = state;
    const part = Math.max(0, Math.min(1, share));
    track.style.setProperty('--share', String(part));
    track.setAttribute('aria-valuenow', String(Math.round(part * 100)));
    track.setAttribute('aria-label', title);
    setText(label, title);
    setText(reach, figures);
    setText(rate, speed);
  }

  /** @param {string} name @returns {Lane} */
  #lane(name) {
    return /** @type {Lane} */ (this.lanes.get(name));
  }

  /** @param {number} scale seconds across */
  #axis(scale) {
    if (scale === this.scale && this.ticks.childElementCount) return;
    this.scale = scale;
    const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((size) => scale / size <= 5) ?? 1800;
    const marks = [];
    for (let at = 0; at <= scale * 0.97; at += step) {
      const mark = el('span', {}, clock(at));
      mark.style.setProperty('--mark', String(at / scale));
      marks.push(mark);
    }
    this.ticks.replaceChildren(...marks);
  }
}

/** @param {string} name @returns {Lane} */
function lane(name) {
  const parts = {
    name: el('span', { class: 'lane-name', 'aria-hidden': 'true' }),
    track: el('span', { class: 'track', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 }),
    reach: el('span', { class: 'lane-reach', 'aria-hidden': 'true' }),
    speed: el('span', { class: 'lane-speed', 'aria-hidden': 'true' }),
  };
  parts.track.append(el('span', { class: 'bar' }), el('span', { class: 'dots' }));
  const row = el('li', { class: 'lane', 'data-lane': name }, parts.name, parts.track, parts.reach, parts.speed);
  return { row, ...parts };
}

/** @param {import('./i18n.js').Language} language */
const bound = (language) => ({ t: language.t.bind(language) });

/** @param {number} seconds @returns {string} 0:07 */
function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
