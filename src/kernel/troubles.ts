/** What goes wrong again and again: it is worth telling when it begins and when it changes, not each time. */
export class Troubles {
  readonly #present = new Map<string, string>();

  /** `what` goes wrong in these words. Whether that is news. */
  isNews(what: string, words: string): boolean {
    if (this.#present.get(what) === words) return false;
    this.#present.set(what, words);
    return true;
  }

  /** `what` is well. Whether that is news. */
  isOver(what: string): boolean {
    return this.#present.delete(what);
  }
}
