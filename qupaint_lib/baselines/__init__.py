"""Baselines"""
