import pc from 'picocolors'
import { expect, test } from 'vitest'
import { align } from '../../cli/columns.js'

const columns = [{ name: 'run' }, { name: 'time', align: 'right', optional: 1 }, { name: 'state' }] as const

test('columns stand below their headers, numbers at the right, wide characters count as two', () => {
  expect(
    align(columns, [
      ['a', '1:02', 'done'],
      ['探索', '59', 'at work'],
    ]),
  ).toEqual(['run   time  state', 'a     1:02  done', '探索    59  at work'])
})

test('columns without any text are left out, optional ones where lines would be too long, and lines are cut', () => {
  expect(align(columns, [['a', '', 'done']])).toEqual(['run  state', 'a    done'])
  expect(align(columns, [['a', '1:02', 'done']], 12)).toEqual(['run  state', 'a    done'])
  expect(align(columns, [['a', '1:02', 'done']], 6)).toEqual(['run  …', 'a    …'])
})

test('colours take no place', () => {
  const { red } = pc.createColors(true)
  expect(
    align(
      [{}, {}],
      [
        [red('a'), 'b'],
        ['cc', 'd'],
      ],
    ),
  ).toEqual([`${red('a')}   b`, 'cc  d'])
})
