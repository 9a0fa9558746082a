/** Most reports that the groups or pages of a stage together send to their search: each is four events in its history. */
export const mostReports = 80

/** Tasks that a group or page waits for before it reports: a tenth of its own, or more where the stage has many.
 *  @param count  tasks of the group  @param total  tasks of the stage */
export const tasksOfReport = (count: number, total: number, most = mostReports): number =>
  Math.max(Math.ceil(count / 10), Math.ceil(total / most))
