/** Control characters, those of 8 bits included, besides line feed and tab. */
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g
/** Sequences that set colours and weights, such as picocolors writes. */
const colours = /(\u001b\[[\d;]*m)/

/** Returns text whose control characters are shown as escapes: a terminal would obey them, whoever wrote them. */
export const visible = (text: string): string =>
  text.replace(controls, (c) => (c === '\r' ? '\\r' : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`))

/** The same for text of the program's own that may be coloured. */
export const visibleInColour = (text: string): string =>
  text
    .split(colours)
    .map((part, i) => (i % 2 === 1 ? part : visible(part)))
    .join('')
