/** The nodes of a cluster, in the monitor: what each does, and why one is not used. */

import { getCluster } from './api.js';
import { byId, el, setText } from './dom.js';
import { WatchedList } from './watched.js';

/** @typedef {{id: string} & Record<string, any>} Node */
/** @typedef {{root: HTMLElement, status: HTMLElement, title: HTMLElement, about: HTMLElement, figures: HTMLElement}} NodeRow */

/** @extends {WatchedList<Node, NodeRow>} */
export class Nodes extends WatchedList {
  /** @param {import('./i18n.js').Language} language */
  constructor(language) {
    super(byId('nodes', HTMLUListElement), language);
    this.root = byId('monitor-nodes', HTMLElement);
  }

  /** @returns {Promise<Node[]>} */
  async load() {
    const { cluster, nodes } = await getCluster();
    if (cluster === 'local') this.hide(); // there is no cluster to ask about again
    return nodes;
  }

  draw() {
    this.root.hidden = !this.things.length;
    super.draw();
  }

  /** @param {Node} node @returns {NodeRow} */
  add({ id }) {
    const row = {
      root: el('li', { class: 'job card', 'data-node': id }),
      status: el('span', { class: 'pill' }),
      title: el('p', { class: 'job-title' }),
      about: el('p', { class: 'note' }),
      figures: el('p', { class: 'job-figures' }),
    };
    row.root.append(row.status, el('div', { class: 'job-words' }, row.title, row.about), row.figures);
    return row;
  }

  /** @param {NodeRow} row @param {Node} node */
  write({ root, status, title, about, figures }, node) {
    const t = this.language.t.bind(this.language);
    root.dataset.status = node.running ? 'in_progress' : node.state === 'unusable' ? 'failed' : 'completed';
    setText(status, t(`nodes.${node.state}`));
    setText(title, node.id);
    setText(about, node.problem ?? node.jobs.join(' · '));
    setText(figures, t('nodes.figures', { running: node.running, slots: node.slots }));
  }
}
