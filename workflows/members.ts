import type { ChildWorkflowHandle, SignalDefinition } from '@temporalio/workflow'
import type { group as groupWorkflow } from './group.js'
import type { Pace } from './types.js'
import { pageName, type page as pageWorkflow } from './page.js'
import type { Tasks } from './tasks.js'
import type { TaskGroup, TaskPage, TaskRef } from './types.js'

/** Tasks that are done together: a group or a page by a child workflow, tasks without a group by this workflow. */
export interface Member {
  /** None that are known here, where it is a page. */
  readonly tasks: readonly TaskRef[]
  readonly page?: TaskPage
  /** Of the group, or the page. */
  readonly name: string | undefined
  readonly skipped: { readonly id: string; readonly reason: string }[]
  here?: Tasks
  child?: ChildWorkflowHandle<typeof groupWorkflow> | ChildWorkflowHandle<typeof pageWorkflow>
  /** The pace it received last. */
  pace?: Pace
  over?: boolean
}

export function membersOf(groups: readonly TaskGroup[]): Member[] {
  const single = groups.filter(({ tasks }) => tasks.length === 1)
  return groups.flatMap(({ name, tasks }): Member[] => {
    if (tasks.length > 1) return [{ name, tasks, skipped: [] }]
    // All of them, in the place of the first one.
    if (name !== single[0]!.name) return []
    return [{ name: undefined, tasks: single.flatMap((own) => own.tasks), skipped: [] }]
  })
}

export const membersOfPages = (pages: readonly TaskPage[]): Member[] =>
  pages.map((page) => ({ page, name: pageName(page), tasks: [], skipped: [] }))

/** To a member's workflow. One that is just starting, or ending, needs no message. @returns when it stands in its history */
export async function send<A>({ child }: Member, signal: SignalDefinition<[A]>, argument: A): Promise<void> {
  await child?.signal(signal, argument).catch(() => undefined)
}
