import { PlayModel as Original } from "@jupyter-widgets/controls";

/**
 * Play counts in the browser. With several tabs and frames each would count, and the value would run as many times too fast: only the one where it was
 * started does. A kernel that starts it leaves that to whoever presses the button.
 */
export class PlayModel extends Original {
  private mine = false;

  override play(): void {
    this.mine = true;
    super.play();
  }

  override pause(): void {
    this.mine = false;
    super.pause();
  }

  override animate(): void {
    if (this.mine) super.animate();
  }

  override loop(): void {
    if (this.mine) super.loop();
  }
}
