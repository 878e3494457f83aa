/** Let somebody choose one of several people in a picture. */

import { el } from './dom.js';

/**
 * @typedef {{number: number, left: number, top: number, width: number, height: number}} Face
 * @typedef {{data: Face[], width: number, height: number, picture: string}} People as `POST /v1/templates/faces` answers
 */

/**
 * Show the picture in `root` until one of its faces is pressed.
 * @param {HTMLElement} root
 * @param {People} people
 * @param {import('./i18n.js').Language} language
 * @returns {Promise<string>} the number of the face
 */
export function chooseFace(root, people, language) {
  return new Promise((resolve) => {
    const choose = (/** @type {number} */ number) => {
      root.hidden = true;
      root.replaceChildren();
      resolve(String(number));
    };
    const share = (/** @type {number} */ part, /** @type {number} */ whole) => `${(100 * part) / whole}%`;
    const buttons = people.data.map(({ number, left, top, width, height }) => {
      const label = language.t('faces.one', { number });
      const button = el('button', { type: 'button', 'aria-label': label, title: label, onclick: () => choose(number) });
      button.style.left = share(left, people.width);
      button.style.top = share(top, people.height);
      button.style.width = share(width, people.width);
      button.style.height = share(height, people.height);
      return button;
    });
    const picture = el('div', { class: 'faces-picture' }, el('img', { src: people.picture, alt: '' }), ...buttons);
    root.replaceChildren(picture);
    root.hidden = false;
    buttons[0]?.focus({ preventScroll: true });
  });
}
