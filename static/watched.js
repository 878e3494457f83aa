/** A list in the monitor that the server is asked for again and again while somebody looks at it. */

const AGAIN_MS = 2000;

/**
 * Its kinds say what is listed (`load`), and make (`add`) and fill (`write`) the row of one thing.
 * @template {{id: string}} Thing
 * @template {{root: HTMLElement}} Row
 */
export class WatchedList {
  /**
   * @param {HTMLElement} list
   * @param {import('./i18n.js').Language} language
   */
  constructor(list, language) {
    this.list = list;
    this.language = language;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** As they are shown, from the top. @type {Thing[]} */
    this.things = [];
    this.clock = 0;
  }

  /** Start watching. */
  async show() {
    this.hide();
    this.clock = setInterval(() => this.ask().catch(() => {}), AGAIN_MS); // the page tells of a lost server elsewhere
    await this.ask();
  }

  /** Stop watching. */
  hide() {
    clearInterval(this.clock);
  }

  async ask() {
    this.things = await this.load();
    this.draw();
  }

  /** Write everything anew, in the present language. */
  draw() {
    const ids = new Set(this.things.map(({ id }) => id));
    for (const [id, { root }] of this.rows) {
      if (ids.has(id)) continue;
      root.remove();
      this.rows.delete(id);
    }
    this.things.forEach((thing, place) => {
      const row = this.rows.get(thing.id) ?? this.add(thing);
      this.rows.set(thing.id, row);
      const there = this.list.children[place] ?? null;
      if (there !== row.root) this.list.insertBefore(row.root, there);
      this.write(row, thing);
    });
  }

  /** What the server has, first what is shown first. @returns {Promise<Thing[]>} */
  async load() {
    throw new Error('not said what is listed');
  }

  /** An empty row for it. @param {Thing} _thing @returns {Row} */
  add(_thing) {
    throw new Error('not said how a row looks');
  }

  /** @param {Row} _row @param {Thing} _thing */
  write(_row, _thing) {
    throw new Error('not said what a row tells');
  }
}
