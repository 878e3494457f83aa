/** The page's entrance: the address says which view is shown, `#/`, `#/job/<id>`, `#/live`, `#/live/<id>` or `#/monitor`. */

import { ApiError, address, logout, signedIn } from './api.js';
import { byId, setText } from './dom.js';
import { Feed } from './feed.js';
import { Language } from './i18n.js';
import { Live } from './live/view.js';
import { Monitor } from './monitor.js';
import { Studio } from './studio.js';

/**
 * @param {Feed} feed
 * @param {import('./i18n.js').Language} language
 * @returns {() => void} write it anew
 */
function linkLight(feed, language) {
  const element = byId('link', HTMLElement);
  const words = /** @type {HTMLElement} */ (element.firstElementChild);
  return () => {
    element.dataset.state = feed.link;
    setText(words, language.t(`link.${feed.link}`));
  };
}

/** @typedef {{studio: Studio, live: Live, monitor: Monitor}} Views */

/** @param {Views} views */
async function route({ studio, live, monitor }) {
  const [, first = '', id = ''] = location.hash.split('/');
  const view = first === 'monitor' || first === 'live' ? first : 'studio';
  for (const name of ['studio', 'live', 'monitor']) byId(name, HTMLElement).hidden = name !== view;
  for (const link of document.querySelectorAll('nav a')) {
    const current = /** @type {HTMLElement} */ (link).dataset.view === view;
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (view !== 'studio') studio.hide();
  if (view !== 'monitor') monitor.hide();
  if (view !== 'live') live.hide();
  if (view === 'monitor') return monitor.show();
  if (view === 'live') return live.show(decodeURIComponent(id));
  return first === 'job' && id ? studio.open(decodeURIComponent(id)) : studio.show();
}

async function main() {
  const language = new Language();
  const feed = new Feed(address('v1/ws', 'ws'));
  const light = linkLight(feed, language);
  feed.listeners.add(light);
  const context = { feed, language };
  // replaceState: the new address must not be taken for a visit to another job.
  const studio = new Studio(context, (id) => history.replaceState(null, '', `#/job/${encodeURIComponent(id)}`));
  const live = new Live(context, (id) => history.replaceState(null, '', `#/live/${encodeURIComponent(id)}`));
  const monitor = new Monitor(context);
  language.listeners.add(() => {
    light();
    studio.composer.draw();
    studio.draw();
    studio.history.draw();
    live.draw();
    monitor.draw();
  });
  language.apply();
  byId('language', HTMLButtonElement).addEventListener('click', () => language.toggle());
  const signOut = byId('signout', HTMLButtonElement);
  signOut.hidden = !signedIn();
  signOut.addEventListener('click', () => logout().finally(() => location.reload()));
  byId('skip', HTMLButtonElement).addEventListener('click', () => byId('main', HTMLElement).focus());
  const go = () => route({ studio, live, monitor }).catch(complain);
  const complain = (/** @type {unknown} */ error) =>
    studio.composer.complain(error instanceof ApiError ? error : new ApiError(0, { message: String(error) }));
  addEventListener('hashchange', go);
  studio.history.load().catch(() => {}); // what was made before can be missing
  await studio.composer.load().catch(complain);
  go();
}

main();
