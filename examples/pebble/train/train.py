"""Trains all of pebble and writes the folder: `python train/train.py`.

Every part saves checkpoints into train/work and goes on from them when started again.
PEBBLE_WORK, PEBBLE_OUT and PEBBLE_THREADS move the checkpoints, the result and the thread count.
"""
import export

if __name__ == "__main__":
    export.export()
