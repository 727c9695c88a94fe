// Owns an answer's Markdown as elements: parsed by marked, cleaned by DOMPurify, loaded only when an answer has some. Nothing in it can run, and nothing is
// fetched: models say what they like, and may repeat what strangers wrote.
import DOMPurify from 'dompurify';
import { marked } from 'marked';
import { scrollBox } from '../dom.ts';

const ALLOWED = {
  ALLOWED_TAGS: [
    ...[
      'p',
      'br',
      'hr',
      'h1',
      'h2',
      'h3',
      'h4',
      'h5',
      'h6',
      'ul',
      'ol',
      'li',
      'blockquote',
      'pre',
      'code',
      'em',
      'strong',
    ],
    ...['del', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td'],
  ],
  ALLOWED_ATTR: ['href', 'title', 'align', 'start', 'class'],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ADD_URI_SAFE_ATTR: ['align', 'start'], // no addresses
  RETURN_DOM_FRAGMENT: true,
} as const;

/** The Markdown of `text`, safe to show. */
export function markdown(text: string): DocumentFragment {
  const html = marked.parse(text, { async: false, gfm: true, breaks: true });
  const fragment = DOMPurify.sanitize(html, {
    ...ALLOWED,
    ALLOWED_TAGS: [...ALLOWED.ALLOWED_TAGS],
    ALLOWED_ATTR: [...ALLOWED.ALLOWED_ATTR],
    ADD_URI_SAFE_ATTR: [...ALLOWED.ADD_URI_SAFE_ATTR],
  });
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
  }
  for (const element of fragment.querySelectorAll('p, li, h1, h2, h3, h4, h5, h6, td, th, blockquote')) {
    element.setAttribute('dir', 'auto');
  }
  for (const element of fragment.querySelectorAll('[class]')) {
    if (!/^language-[\w+-]+$/.test(element.className)) element.removeAttribute('class');
  }
  for (const wide of fragment.querySelectorAll('pre, table')) {
    const box = scrollBox(wide.tagName === 'PRE' ? 'Code' : 'Table');
    wide.replaceWith(box);
    box.append(wide);
  }
  return fragment;
}
