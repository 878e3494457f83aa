/** The nodes of a cluster, in the monitor: what each does, and why one is not used. */

import { getCluster } from './api.js';
import { byId, el, setText } from './dom.js';

const AGAIN_MS = 2000;

export class Nodes {
  /** @param {import('./i18n.js').Language} language */
  constructor(language) {
    this.language = language;
    this.root = byId('monitor-nodes', HTMLElement);
    this.list = byId('nodes', HTMLUListElement);
    /** @type {Record<string, any>[]} */
    this.nodes = [];
    this.clock = 0;
  }

  /** Start watching, if this server has a cluster. */
  async show() {
    this.hide();
    const { cluster } = await this.#ask();
    if (cluster !== 'local') this.clock = setInterval(() => this.#ask().catch(() => {}), AGAIN_MS);
  }

  /** Stop watching. */
  hide() {
    clearInterval(this.clock);
  }

  async #ask() {
    const found = await getCluster();
    this.nodes = found.nodes;
    this.draw();
    return found;
  }

  /** Write everything anew, in the present language. */
  draw() {
    this.root.hidden = !this.nodes.length;
    while (this.list.children.length > this.nodes.length) this.list.lastElementChild?.remove();
    while (this.list.children.length < this.nodes.length) this.list.append(line());
    this.nodes.forEach((node, place) => this.#write(/** @type {HTMLElement} */ (this.list.children[place]), node));
  }

  /** @param {HTMLElement} root @param {Record<string, any>} node */
  #write(root, node) {
    const t = this.language.t.bind(this.language);
    const [status, words, figures] = /** @type {HTMLElement[]} */ ([...root.children]);
    const [title, about] = /** @type {HTMLElement[]} */ ([...words.children]);
    root.dataset.node = node.id;
    root.dataset.status = node.running ? 'in_progress' : node.state === 'unusable' ? 'failed' : 'completed';
    setText(status, t(`nodes.${node.state}`));
    setText(title, node.id);
    setText(about, node.problem ?? node.jobs.join(' · '));
    setText(figures, t('nodes.figures', { running: node.running, slots: node.slots }));
  }
}

function line() {
  const words = el('div', { class: 'job-words' }, el('p', { class: 'job-title' }), el('p', { class: 'note' }));
  return el('li', { class: 'job card' }, el('span', { class: 'pill' }), words, el('p', { class: 'job-figures' }));
}
