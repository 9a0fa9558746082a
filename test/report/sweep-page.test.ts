import { expect, test } from 'vitest'
import { sweepPage } from '../../report/html/sweep.js'
import { activeParts, chartsOf, open, rowsOf, textOf } from './page-text.js'
import { sweepData } from './sweep-data.js'

test('the page about a sweep says what its result says', () => {
  const document = open(sweepPage(sweepData()))
  expect(textOf(document.querySelector('h1'))).toBe('Quality against throughput')
  expect([...document.querySelectorAll('.cards li')].map(textOf)).toEqual([
    'points that can be met5 of 74 different children',
    'least loss1.5xKL 0.02, measured',
    'most throughput3xKL 0.54, measured',
  ])
  expect(textOf(document.querySelector('p.bad'))).toBe('Not complete: 1 of 7 points are not solved yet.')
  expect(chartsOf(document)).toEqual([
    'KL against throughput, predicted and measured',
    'Accuracy kept against throughput, as measured',
    'Seconds of each stage',
  ])
  expect(rowsOf(document)).toEqual(
    expect.arrayContaining([
      '≥ 1.5x|0.01|1.515x|66.7 %|60 %|0.02|3|95 %|1.515x1.4 to 1.6|yes|',
      '≥ 2x|0.02|2.02x|50 %|45 %|0.06|4|85 %|2.02x1.9 to 2.1|open|dominated',
      '≥ 8x|0.08|3.03x|33.3 %|30 %|0.54|6|65 %|3.03x2.9 to 3.1|yes|the child of 3',
      '≥ 9x|a text',
      '0|–swiglu-0|a textswiglu-1|a textswiglu-2|a textswiglu-3',
    ]),
  )
  expect(textOf(document.querySelector('main'))).toContain('puzzleflow sweep a text')
})

test('every point of the chart tells its limit and its figures, once for each child', () => {
  const titles = [...open(sweepPage(sweepData())).querySelectorAll('svg title')].map(textOf)
  expect(titles).toContain('throughput >= 2x of the parent: KL 0.06, reaches 2x, measured')
  expect(titles).toContain('throughput >= 2x of the parent: KL 0.02, reaches 2.02x, predicted')
  expect(titles.filter((title) => title.includes('>= 8x'))).toEqual([])
})

test('a sweep without measurements has a page of predictions', () => {
  const document = open(sweepPage(sweepData({ measures: false })))
  expect(textOf(document.querySelector('main'))).toContain('Figures are predictions')
  expect(chartsOf(document)).toEqual(['KL against throughput, predicted and measured', 'Seconds of each stage'])
  expect(rowsOf(document)).toContain('≥ 2x|0.02|2.02x|50 %|45 %|dominated')
})

test('a sweep of which no point can be met, or none is solved yet, has a page without a chart', () => {
  const { sweep, ...facts } = sweepData()
  const none = sweep.points.filter(({ predicted }) => !predicted)
  const page = sweepPage({ ...facts, sweep: { ...sweep, points: none }, stages: [] })
  expect(chartsOf(open(page))).toEqual([])
  expect(rowsOf(open(page))).toContain('≥ 9x|a text')
  expect(page).not.toMatch(/NaN|undefined|Infinity/)
})

test('text from outside is never markup on the page about a sweep', () => {
  const text = `</title></style></script>"'><script>alert(1)</script><img src=x onerror=alert(1)>`
  const document = open(sweepPage(sweepData({ text })))
  expect(activeParts(document)).toEqual([])
  expect(textOf(document.querySelector('main')).split(text).length).toBeGreaterThan(6)
})

test('the page about 64 points of 80 layers has less than 3 MB', () => {
  expect(sweepPage(sweepData({ points: 64, layers: 80 })).length).toBeLessThan(3e6)
})
