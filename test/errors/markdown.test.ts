import { expect, test } from 'vitest'
import { codeMarkdown, plainMarkdown, summaryMarkdown } from '../../errors/markdown.js'

test.each([
  'arc_easy',
  'grouped-query-2 and swiglu-50%',
  'throughput >= 1.7x of the parent: 1.2x',
  'memory <= 70%',
  'layer03/ffn/no-op',
  'Größe von 中文',
  '1 < 2 & 3 > 2',
])('an ordinary text stays as it is: %s', (text) => {
  expect(plainMarkdown(text)).toBe(text)
})

test.each([
  ['![x](http://a.example/x.png)', '!\\[x\\](http\\://a.example/x.png)'],
  ['<img src=x onerror=alert(1)>', '\\<img src=x onerror=alert(1)>'],
  ['</td><script>', '\\</td>\\<script>'],
  ['a | b', 'a \\| b'],
  ['&#60;b&gt;', '\\&#60;b\\&gt;'],
  ['one\n# two\r\n\n- three', 'one # two - three'],
  ['**bold** _it_ `code` ~~gone~~', '\\*\\*bold\\*\\* \\_it\\_ \\`code\\` \\~~gone\\~~'],
  ['https://a.example www.a.example', 'https\\://a.example www\\.a.example'],
  ['\\<b>', '\\\\\\<b>'],
  ['\u001b[31mred\u0000', '\\\\x1b\\[31mred\\\\x00'],
])('markup is shown, not obeyed: %j', (text, shown) => {
  expect(plainMarkdown(text)).toBe(shown)
})

test('a very long text is cut', () => {
  expect(plainMarkdown('a'.repeat(5000))).toHaveLength(1000)
})

test('a summary is as long as the server takes', () => {
  expect(summaryMarkdown('number 1')).toBe('number 1')
  expect(summaryMarkdown('a'.repeat(200))).toBe(`${'a'.repeat(99)}…`)
  for (const letter of ['😀', 'é', '*', '😀*']) {
    const summary = summaryMarkdown(letter.repeat(5000))
    expect(Buffer.byteLength(summary)).toBeLessThanOrEqual(200)
    expect(Buffer.byteLength(summary)).toBeGreaterThan(150)
  }
})

test('code ends where it should, whatever is in it', () => {
  expect(codeMarkdown('a')).toBe('`a`')
  expect(codeMarkdown('`a`` b')).toBe('``` `a`` b ```')
  expect(codeMarkdown('one\ntwo')).toBe('`one\\ntwo`')
})
