type Brush = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** Paths of the shapes that everything is cut from. Each begins a path, and fills or strokes nothing. */
export function circle(brush: Brush, x: number, y: number, radius: number): void {
  brush.beginPath();
  brush.arc(x, y, radius, 0, 2 * Math.PI);
}

export function diamond(brush: Brush, x: number, y: number, radius: number): void {
  brush.beginPath();
  brush.moveTo(x, y - radius);
  brush.lineTo(x + radius, y);
  brush.lineTo(x, y + radius);
  brush.lineTo(x - radius, y);
  brush.closePath();
}

export function roundBox(
  brush: Brush,
  x: number,
  y: number,
  width: number,
  height: number,
  by: number,
): void {
  brush.beginPath();
  brush.roundRect(x, y, width, height, by);
}

/** A circle with a scalloped edge. */
export function scallops(brush: Brush, x: number, y: number, radius: number, count: number): void {
  brush.beginPath();
  for (let i = 0; i < count; i++) {
    const from = (i / count) * 2 * Math.PI;
    const to = ((i + 1) / count) * 2 * Math.PI;
    const mid = (from + to) / 2;
    if (i === 0) brush.moveTo(x + Math.cos(from) * radius, y + Math.sin(from) * radius);
    brush.quadraticCurveTo(
      x + Math.cos(mid) * radius * 1.26,
      y + Math.sin(mid) * radius * 1.26,
      x + Math.cos(to) * radius,
      y + Math.sin(to) * radius,
    );
  }
  brush.closePath();
}

/** Leaves around a middle, filled. */
export function petals(brush: Brush, x: number, y: number, radius: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const angle = (i / count) * 2 * Math.PI;
    brush.beginPath();
    brush.ellipse(
      x + Math.cos(angle) * radius * 0.62,
      y + Math.sin(angle) * radius * 0.62,
      radius * 0.36,
      radius * 0.15,
      angle,
      0,
      2 * Math.PI,
    );
    brush.fill();
  }
}

/** A star of so many points. */
export function star(brush: Brush, x: number, y: number, outer: number, inner: number, points: number): void {
  brush.beginPath();
  for (let i = 0; i < points * 2; i++) {
    const radius = i % 2 === 0 ? outer : inner;
    const angle = (i / points) * Math.PI - Math.PI / 2;
    brush.lineTo(x + Math.cos(angle) * radius, y + Math.sin(angle) * radius);
  }
  brush.closePath();
}
