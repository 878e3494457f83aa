/** The live sessions of the server, in the monitor: what each does, how soon it answers, who watches. */

import { deleteSession, listSessions } from '../api.js';
import { byId, el, setText } from '../dom.js';
import { WatchedList } from '../watched.js';

/** @typedef {{id: string} & Record<string, any>} Session */
/** @typedef {{root: HTMLElement, status: HTMLElement, title: HTMLElement, about: HTMLElement, figures: HTMLElement, open: HTMLElement, end: HTMLElement}} SessionRow */

/** @extends {WatchedList<Session, SessionRow>} */
export class RunningSessions extends WatchedList {
  /**
   * @param {import('../i18n.js').Language} language
   * @param {(error: unknown) => void} onfail
   */
  constructor(language, onfail) {
    super(byId('sessions', HTMLUListElement), language);
    this.onfail = onfail;
    this.root = byId('monitor-sessions', HTMLElement);
  }

  /** @returns {Promise<Session[]>} */
  async load() {
    const { data } = await listSessions();
    return data.filter((/** @type {Session} */ { status }) => status !== 'ended').reverse(); // the newest first
  }

  draw() {
    this.root.hidden = !this.things.length;
    super.draw();
  }

  /** @param {Session} session @returns {SessionRow} */
  add({ id }) {
    const row = {
      root: el('li', { class: 'job session card', 'data-session': id }),
      status: el('span', { class: 'pill' }),
      title: el('p', { class: 'job-title' }),
      about: el('p', { class: 'note' }),
      figures: el('p', { class: 'job-figures' }),
      open: el('a', { class: 'quiet button', href: `#/live/${encodeURIComponent(id)}` }),
      end: el('button', { class: 'quiet', type: 'button' }),
    };
    row.end.addEventListener('click', () => deleteSession(id).then(() => this.ask()).catch(this.onfail));
    row.root.append(row.status, el('div', { class: 'job-words' }, row.title, row.about), row.figures, el('div', { class: 'actions' }, row.open, row.end));
    return row;
  }

  /** @param {SessionRow} row @param {Session} session */
  write({ root, status, title, about, figures, open, end }, session) {
    const { language } = this;
    const t = language.t.bind(language);
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
}
