import { expect, test } from 'vitest'
import { livePage } from '../../report/html/live.js'
import { liveData } from './live-data.js'
import { chartsOf, open, rowsOf, textOf } from './page-text.js'
import { sweepData } from './sweep-data.js'

test('the page about a run that goes on shows its stages, and what is known so far', () => {
  const document = open(livePage(liveData(), 'a version'))
  expect(textOf(document.querySelector('title'))).toBe('43 % a text')
  expect(textOf(document.querySelector('h1'))).toBe('a text is running')
  expect(rowsOf(document)).toEqual(
    expect.arrayContaining([
      'distill|done|24 of 24|3||',
      'uptrain|running|0 of 1||about 1 min 15 s|a text',
      'report|waiting||||',
      'solution-1|2.3x|0.5|0.4',
    ]),
  )
  expect(textOf(document.querySelector('main'))).toContain('It is proved that no choice of blocks')
  expect(chartsOf(document)).toEqual([
    'KL against throughput of measured children',
    'KL during uptraining, up to its last checkpoint',
    'Scores: heat map of every variant in every layer',
    'Seconds of each stage',
  ])
})

test('a run of which nothing is known yet has a page, too; one that is paused says so', () => {
  const { run, specDigest, startedAt } = liveData()
  const page = livePage({ run, specDigest, startedAt, stages: [] }, 'a version')
  expect(textOf(open(page).querySelector('main'))).toContain('No worker answers yet.')
  expect(chartsOf(open(page))).toEqual([])
  const { progress, ...data } = liveData()
  const paused = livePage({ ...data, progress: { ...progress!, paused: true } }, 'a version')
  expect(textOf(open(paused).querySelector('h1'))).toBe('a text is paused')
})

test('of a sweep, the page shows the curve so far', () => {
  const { run, specDigest, startedAt } = liveData()
  const { sweep: curve } = sweepData()
  const document = open(livePage({ run, specDigest, startedAt, stages: [], curve }, 'a version'))
  expect(chartsOf(document)).toEqual(['KL against throughput, predicted and measured'])
})

test('only the script of the page may run, and may ask only the server that it came from', () => {
  const text = `</title></style></script>"'><script>alert(1)</script><img src=x onerror=alert(1)>`
  const document = open(livePage(liveData(text), 'a version'))
  expect([...document.querySelectorAll('script')]).toHaveLength(1)
  expect([...document.querySelectorAll('img, a, iframe, object, link')]).toEqual([])
  const policy = document.querySelector('meta[http-equiv]')!.getAttribute('content')
  expect(policy).toMatch(
    /^default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[\w+/]{43}='; connect-src 'self'$/,
  )
})
