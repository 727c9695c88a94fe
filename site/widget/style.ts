// Owns how the widget looks. Custom properties: --onebit-accent, --onebit-on-accent, --onebit-ink, --onebit-paper, --onebit-line, --onebit-radius, --onebit-font.
export const STYLE = `
:host{--a:var(--onebit-accent,#0a5fb4);--o:var(--onebit-on-accent,#fff);--i:var(--onebit-ink,#1c1c1c);--p:var(--onebit-paper,#fff);--l:var(--onebit-line,#8a8a8a);--r:var(--onebit-radius,12px);
font:var(--onebit-font,16px/1.45 system-ui,sans-serif);color:var(--i);position:fixed;right:16px;bottom:16px;z-index:2147483000;text-align:start}
:host([inline]){position:static;display:block}
@media(prefers-color-scheme:dark){:host{--i:var(--onebit-ink,#ececec);--p:var(--onebit-paper,#1b1b1b);--a:var(--onebit-accent,#7db9ff);--o:var(--onebit-on-accent,#10243a)}}
*{box-sizing:border-box;font:inherit}
[hidden]{display:none!important}
button{cursor:pointer;border:0;border-radius:var(--r);background:var(--a);color:var(--o);padding:8px 14px;min-height:40px}
:focus-visible{outline:3px solid var(--a);outline-offset:2px}
[part=opener]{width:56px;height:56px;border-radius:50%;font-size:26px;font-weight:700;box-shadow:0 2px 10px #0005;float:inline-end}
:host([inline]) [part=opener],:host([inline]) [part=close]{display:none}
[part=panel]{position:absolute;right:0;bottom:68px;width:min(360px,calc(100vw - 32px));height:min(520px,calc(100vh - 110px));display:flex;flex-direction:column;background:var(--p);border:1px solid var(--l);border-radius:var(--r);box-shadow:0 6px 28px #0004;overflow:hidden}
:host([inline]) [part=panel]{position:static;width:100%;box-shadow:none}
[part=header]{display:flex;align-items:center;justify-content:space-between;padding:8px 8px 8px 16px;border-bottom:1px solid var(--l)}
[part=title]{margin:0;font-weight:600}
[part=close]{background:none;color:var(--i);font-size:22px;padding:0 12px}
[part=log]{flex:1;overflow-y:auto;padding:12px;display:flex;flex-direction:column;gap:8px}
p{margin:0;padding:8px 12px;border-radius:var(--r);max-width:85%;white-space:pre-line;overflow-wrap:anywhere}
.mine{align-self:flex-end;background:var(--a);color:var(--o)}
.theirs{align-self:flex-start;border:1px solid var(--l)}
.choices{display:flex;flex-wrap:wrap;gap:8px}
[part=choice]{background:var(--p);color:var(--i);border:2px solid var(--a)}
[part=form],.contact{display:flex;gap:8px}
[part=form]{padding:12px;border-top:1px solid var(--l)}
input{flex:1;min-width:0;min-height:40px;padding:8px 12px;border:1px solid var(--l);border-radius:var(--r);background:var(--p);color:var(--i)}
`;
