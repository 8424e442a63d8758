"""Learning management systems by LTI 1.3 Advantage: registering, launching, entering, class lists. Grades: `evaluation`."""
