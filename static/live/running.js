/** The live sessions of the server, in the monitor: what each does, how soon it answers, who watches. */

import { deleteSession, listSessions } from '../api.js';
import { byId, el, setText } from '../dom.js';

const AGAIN_MS = 2000;

/** @typedef {{root: HTMLElement, status: HTMLElement, title: HTMLElement, about: HTMLElement, figures: HTMLElement, open: HTMLElement, end: HTMLElement}} Row */

export class RunningSessions {
  /**
   * @param {import('../i18n.js').Language} language
   * @param {(error: unknown) => void} onfail
   */
  constructor(language, onfail) {
    this.language = language;
    this.onfail = onfail;
    this.root = byId('monitor-sessions', HTMLElement);
    this.list = byId('sessions', HTMLUListElement);
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Record<string, any>[]} */
    this.sessions = [];
    this.clock = 0;
  }

  /** Start watching. */
  async show() {
    this.hide();
    this.clock = setInterval(() => this.#ask().catch(() => {}), AGAIN_MS); // the page tells of a lost server elsewhere
    await this.#ask();
  }

  /** Stop watching. */
  hide() {
    clearInterval(this.clock);
  }

  async #ask() {
    const { data } = await listSessions();
    this.sessions = data.filter((/** @type {{status: string}} */ { status }) => status !== 'ended'); // the oldest first
    this.draw();
  }

  /** Write everything anew, in the present language. */
  draw() {
    this.root.hidden = !this.sessions.length;
    const ids = new Set(this.sessions.map(({ id }) => id));
    for (const [id, { root }] of this.rows) {
      if (ids.has(id)) continue;
      root.remove();
      this.rows.delete(id);
    }
    for (const session of this.sessions) this.#write(session);
  }

  /** @param {Record<string, any>} session */
  #write(session) {
    const { language } = this;
    const t = language.t.bind(language);
    const { root, status, title, about, figures, open, end } = this.rows.get(session.id) ?? this.#add(session.id);
    const { template, voice } = session.request;
    root.dataset.status = session.status === 'speaking' ? 'in_progress' : session.status;
    setText(status, t(`sessions.${session.status}`));
    setText(title, template === 'sample' ? t('template.sample') : template);
    setText(about, [voice, language.moment(session.created_at), t('sessions.viewers', { count: session.viewers })].filter(Boolean).join(' · '));
    const delay = (/** @type {number | undefined} */ seconds) => language.milliseconds((seconds ?? 0) * 1000);
    const told = [
      session.first_s == null ? '' : t('sessions.first', { value: delay(session.first_s) }),
      session.stopped_s == null ? '' : t('sessions.stopped', { value: delay(session.stopped_s) }),
      session.behind_s ? t('sessions.behind', { value: language.seconds(session.behind_s) }) : '',
    ];
    setText(figures, told.filter(Boolean).join(' · '));
    setText(open, t('action.open'));
    setText(end, t('live.end'));
  }

  /** @param {string} id @returns {Row} */
  #add(id) {
    const end = el('button', { class: 'quiet', type: 'button' });
    end.addEventListener('click', () => deleteSession(id).then(() => this.#ask()).catch(this.onfail));
    const row = {
      root: el('li', { class: 'job session card', 'data-session': id }),
      status: el('span', { class: 'pill' }),
      title: el('p', { class: 'job-title' }),
      about: el('p', { class: 'note' }),
      figures: el('p', { class: 'job-figures' }),
      open: el('a', { class: 'quiet button', href: `#/live/${encodeURIComponent(id)}` }),
      end,
    };
    row.root.append(row.status, el('div', { class: 'job-words' }, row.title, row.about), row.figures, el('div', { class: 'actions' }, row.open, end));
    this.rows.set(id, row);
    this.list.prepend(row.root);
    return row;
  }
}
