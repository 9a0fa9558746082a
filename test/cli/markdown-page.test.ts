import pc from 'picocolors'
import stringWidth from 'string-width'
import { expect, test } from 'vitest'
import { markdownPage } from '../../cli/markdown-page.js'

const none = pc.createColors(false)

test('tables stand in columns, headings and strong lines without their marks', () => {
  const page = [
    ...['# A child was found', '', '| | parent | child |', '|---|---:|---:|', '| perplexity | 2.655 | 2.669 |'],
    ...['| task arc\\_easy\\|x | 1 | – |', '', '**Busy.**'],
  ]
  expect(markdownPage(page.join('\n'), 80, none)).toEqual([
    ...['A child was found', '', '                 parent  child', 'perplexity        2.655  2.669'],
    ...['task arc_easy|x       1      –', '', 'Busy.'],
  ])
})

test('cells and paragraphs that are too long go on in the next line', () => {
  const page =
    '| limit | met |\n|---|---|\n| throughput >= 2x of the parent | open |\n\n- one two three four five six seven\n'
  const lines = markdownPage(page, 24, none)
  expect(lines).toEqual([
    ...['limit             met', 'throughput >= 2x  open', 'of the parent', ''],
    ...['- one two three four', '  five six seven', ''],
  ])
  expect(Math.max(...lines.map((line) => stringWidth(line)))).toBeLessThanOrEqual(24)
})

test('code is shown as it is', () => {
  expect(markdownPage('```text\n | a  b\n```\nend', 4, none)).toEqual([' | a  b', 'end'])
})

test('a page with a table that cannot be narrow enough is shown whole', () => {
  expect(markdownPage('| a | b |\n|---|---|\n| 0123456789 | 0123456789 |', 12, none)).toEqual([
    'a           b',
    '0123456789  0123456789',
  ])
})
