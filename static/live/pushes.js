/** Where a live session's video is sent, beside this page: RTMP servers, added and removed in the live view. */

import { createPush, deletePush, listPushes } from '../api.js';
import { byId, el } from '../dom.js';
import { Notice } from '../notice.js';

/** @typedef {{id: string, url: string, state: 'connecting' | 'live' | 'lost', message?: string | null}} Push */

export class Pushes {
  /** @param {import('../i18n.js').Language} language */
  constructor(language) {
    this.language = language;
    this.session = '';
    this.url = byId('push-url', HTMLInputElement);
    this.key = byId('push-key', HTMLInputElement);
    this.keep = byId('push-keep', HTMLInputElement);
    this.list = byId('push-list', HTMLUListElement);
    this.notice = new Notice(byId('push-problem', HTMLElement), language);
    /** @type {Map<string, Push>} */
    this.pushes = new Map();
    byId('push-add', HTMLButtonElement).addEventListener('click', () => this.#add().catch((error) => this.notice.fail(error)));
  }

  /** @param {string} session whose video it is; empty for none */
  async show(session) {
    this.session = session;
    this.pushes.clear();
    this.notice.say('');
    this.draw();
    if (!session) return;
    const { data } = await listPushes(session);
    if (session !== this.session) return;
    for (const push of data) this.pushes.set(push.id, push);
    this.draw();
  }

  /** One has changed. @param {Push} push */
  hear(push) {
    this.pushes.set(push.id, push);
    this.draw();
  }

  async #add() {
    this.notice.say('');
    const key = this.key.value.trim();
    const wanted = { url: this.url.value.trim(), keep: this.keep.checked, ...(key && { key }) };
    const push = await createPush(this.session, wanted);
    this.key.value = '';
    if (!this.pushes.has(push.id)) this.hear(push);
  }

  /** @param {string} id */
  async #remove(id) {
    await deletePush(this.session, id);
    this.pushes.delete(id);
    this.draw();
  }

  /** Write everything anew, in the present language. */
  draw() {
    const { language } = this;
    const rows = [...this.pushes.values()].map(({ id, url, state, message }) => {
      const remove = el('button', { class: 'quiet small', type: 'button' }, language.t('pushes.remove'));
      remove.addEventListener('click', () => this.#remove(id).catch((error) => this.notice.fail(error)));
      const about = [language.t(`pushes.${state}`), message].filter(Boolean).join(': ');
      return el('li', { 'data-state': state }, el('span', {}, url), el('span', { class: 'note' }, about), remove);
    });
    this.list.replaceChildren(...rows);
    this.notice.draw();
  }
}
