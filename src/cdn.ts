// What `dist/browser/onebit.js` exports, for pages that import it from a CDN: everything, as one module. Its parts are loaded when they are used.
export * from './browser.ts';
export * from './index.ts';
