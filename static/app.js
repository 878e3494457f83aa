/** The page's entrance: the address says which view is shown, `#/`, `#/job/<id>` or `#/monitor`. */

import { ApiError, address } from './api.js';
import { byId, setText } from './dom.js';
import { Feed } from './feed.js';
import { Language } from './i18n.js';
import { Monitor } from './monitor.js';
import { Studio } from './studio.js';

/** @param {import('./i18n.js').Language} language */
function linkLight(language) {
  const element = byId('link', HTMLElement);
  const words = /** @type {HTMLElement} */ (element.firstElementChild);
  /** @type {import('./feed.js').Link} */
  let last = { state: 'connecting' };
  const write = () => {
    element.dataset.state = last.state;
    const seconds = last.state === 'waiting' ? language.seconds(last.seconds) : '';
    setText(words, language.t(`link.${last.state}`, { seconds }));
  };
  return {
    write,
    /** @param {import('./feed.js').Link} link */
    show(link) {
      last = link;
      write();
    },
  };
}

/** @param {Studio} studio @param {Monitor} monitor */
async function route(studio, monitor) {
  const [, view = '', id = ''] = location.hash.split('/');
  const watching = view === 'monitor';
  byId('studio', HTMLElement).hidden = watching;
  byId('monitor', HTMLElement).hidden = !watching;
  for (const link of document.querySelectorAll('nav a')) {
    const current = /** @type {HTMLElement} */ (link).dataset.view === (watching ? 'monitor' : 'studio');
    if (current) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (watching) {
    studio.hide();
    return monitor.show();
  }
  monitor.hide();
  return view === 'job' && id ? studio.open(decodeURIComponent(id)) : studio.show();
}

async function main() {
  const language = new Language();
  const light = linkLight(language);
  const feed = new Feed(address('v1/ws', 'ws'), (link) => light.show(link));
  const context = { feed, language };
  // replaceState: the new address must not be taken for a visit to another job.
  const studio = new Studio(context, (id) => history.replaceState(null, '', `#/job/${encodeURIComponent(id)}`));
  const monitor = new Monitor(context);
  language.listeners.add(() => {
    light.write();
    studio.composer.draw();
    studio.draw();
    monitor.draw();
  });
  language.apply();
  byId('language', HTMLButtonElement).addEventListener('click', () => language.toggle());
  byId('skip', HTMLButtonElement).addEventListener('click', () => byId('main', HTMLElement).focus());
  const go = () => route(studio, monitor).catch(complain);
  const complain = (/** @type {unknown} */ error) =>
    studio.composer.complain(error instanceof ApiError ? error : new ApiError(0, { message: String(error) }));
  addEventListener('hashchange', go);
  await studio.composer.load().catch(complain);
  go();
}

main();
